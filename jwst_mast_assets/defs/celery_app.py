"""What a Celery worker runs: ``celery -A jwst_mast_assets.defs.celery_app worker -c 2``.

It needs the extra ``celery`` and, in its environment, ``JWST_CELERY_BROKER``, ``JWST_CELERY_BACKEND`` and
``DAGSTER_HOME``.
"""

import os

from dagster_celery.make_app import make_app
from dagster_celery.tasks import create_execute_job_task, create_resume_job_task, create_task

from jwst_mast_assets.defs.executors import BACKEND, BROKER

LONGEST_RUN = 172_800
"""Seconds; as max_runtime_seconds in dagster.yaml. Redis hands a task to a second worker after that."""

SETTINGS = {
    # A worker takes a run only when it has a free process for it.
    "worker_prefetch_multiplier": 1,
    # Each run has a fresh process, as with Dagster's own launcher.
    "worker_max_tasks_per_child": 1,
    "broker_transport_options": {"visibility_timeout": LONGEST_RUN},
    # Run monitoring asks for the result of a run that has ended without a word.
    "result_expires": 4 * LONGEST_RUN,
    "task_default_queue": "dagster",
    "broker_connection_retry_on_startup": True,
}

app = make_app({"broker": os.environ[BROKER], "backend": os.environ[BACKEND], "config_source": SETTINGS})

execute_job = create_execute_job_task(app)
resume_job = create_resume_job_task(app)
execute_plan = create_task(app)
