"""The steps of the schema, ``NNNN.sql``, applied in order by `netwatch.store.schema`.

Rule of this folder: a step that has been released is never edited; the next one corrects it.
"""
