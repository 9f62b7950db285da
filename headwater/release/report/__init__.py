"""How did this run come to be? One self-contained HTML page, from the artifacts of a workspace.

`write_report(workspace, out, lang)` in `page.py`. Facts come from `evidence.py` (the stages' files, checked), are said in
words (`words.py`, English and Chinese), drawn (`charts.py`, `lineage.py`) and laid out by the templates beside this file.
"""
