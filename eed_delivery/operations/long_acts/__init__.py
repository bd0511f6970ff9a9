"""Acts that take a while: started by a request, done in chunks by the role `operators`, and followed by their id.

- `requests`       what can be asked for, with the filters of the lists
- `confirming`     the tag of a selection: what was counted must be what is done
- `crowds`         how many of one caller may wait
- `takers`         whether any process does them
- `starting`       counts, starts, shows, stops and continues
- `approving`      what a second person has to decide
- `second_person`  which acts those are
- `report_orders`  orders of reports, and their files
- `whole_works`    acts that are done in one go: reports, and decisions that were approved
- `report_files`   the files of reports, for a day
- `runner`         does the chunks
"""
