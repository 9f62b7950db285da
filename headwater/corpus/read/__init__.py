"""Raw files and archives to documents: what stands where, in which format, with which encoding."""
