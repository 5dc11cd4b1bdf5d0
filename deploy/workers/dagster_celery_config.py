"""Settings of the Celery workers; on their PYTHONPATH, next to nothing else."""

import os

broker_url = os.environ["JWST_CELERY_BROKER"]
result_backend = os.environ["JWST_CELERY_BACKEND"]
# A worker takes a run only when it has a free process for it.
worker_prefetch_multiplier = 1
# Each run gets a fresh process, as with Dagster's own launcher.
worker_max_tasks_per_child = 1
# The longest that a run may take; otherwise Redis would hand it to a second worker after an hour.
broker_transport_options = {"visibility_timeout": 172800}
result_expires = 604800
