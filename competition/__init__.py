"""From a competition folder to a scored submission, in eight steps.

1. `prepare`   annotations are decoded, slices become one array a scan, cases folds
2. `train`     one network a fold
3. `predict`   every training scan by the fold that held it out
4. `decide`    from those probabilities, the rule that turns them into masks
5. `submit`    the test folder, all folds averaged, into submission.csv
6. `validate`  would Kaggle accept it?
7. `score`     the competition's own score
8. `report`    one page about the run

`pipeline.run` takes them all; `python -m competition --help` takes them one by one.
"""
