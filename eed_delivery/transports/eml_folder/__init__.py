"""A folder of .eml files, for the demo and rehearsals: the `transport`, and its `kind` of channel."""
