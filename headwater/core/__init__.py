"""Ground floor: errors, config idiom, keyed seeds, storage, artifacts and lineage, progress, hardware."""
