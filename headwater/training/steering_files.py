"""Names of the files by which a run is steered, for the run and for whoever asks; nothing here loads torch."""

FOLDER = "scratch/steer"
ASKED, ANSWERED = "ask-", "answer-"
RECORD = "changes.jsonl"
STOP = "stop"  # is granted as a `save`, and then the process ends
