"""A folder of .eml files, for the demo and rehearsals: the `transport`."""
