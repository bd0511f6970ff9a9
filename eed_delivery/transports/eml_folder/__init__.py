"""A folder of .eml files, for the demo and for rehearsals."""
