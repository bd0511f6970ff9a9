"""The `transport` to a folder of .eml files, for the demo and rehearsals."""
