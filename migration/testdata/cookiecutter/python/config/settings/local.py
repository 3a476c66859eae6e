from .base import *  # noqa: F403

DEBUG = True

# Celery
# ------------------------------------------------------------------------------
CELERY_TASK_EAGER_PROPAGATES = True
