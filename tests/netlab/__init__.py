"""The lab: a school, its box, an access line, an operator and an internet, in namespaces."""
