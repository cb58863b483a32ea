"""From a competition folder to a scored submission, in eight steps.

1. `prepare`   decode annotations, store each scan as one array, split cases into folds
2. `train`     train one network for each fold
3. `predict`   predict every training scan with the fold that held it out
4. `decide`    search the rule that turns these probabilities into masks
5. `submit`    predict the test folder with the mean of all folds: submission.csv
6. `validate`  check whether Kaggle would accept the file
7. `score`     compute the competition's own score
8. `report`    write one page about the run

`pipeline.run` runs all steps; `python -m competition --help` lists the single steps.
"""
