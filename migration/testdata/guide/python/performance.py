# Increase worker concurrency
celery -A config worker --concurrency=16

# Reduce prefetch multiplier
CELERY_WORKER_PREFETCH_MULTIPLIER = 1

# Enable task compression
CELERY_TASK_COMPRESSION = 'gzip'
