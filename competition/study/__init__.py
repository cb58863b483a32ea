"""Study the data and experiments: nothing here is needed to submit."""
