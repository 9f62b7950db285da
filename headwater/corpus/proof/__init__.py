"""What do this recipe's detectors find of what was planted? Planted truth of its own making, the recipe's own steps, figures."""
