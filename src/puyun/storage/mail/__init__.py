"""Mail on its way out: posted with whatever it tells of in one transaction, sent by a job, kept until it is gone."""
