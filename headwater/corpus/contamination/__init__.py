"""Does the corpus hold what the model will be examined on? N-grams of evaluation sets, found again in documents."""
