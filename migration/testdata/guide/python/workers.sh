# High priority worker (dedicated, more instances)
celery -A config worker \
    -Q high_priority \
    --concurrency=8 \
    --loglevel=info \
    --max-tasks-per-child=100 \
    -n high_priority_worker@%h

# Default queue worker
celery -A config worker \
    -Q default \
    --concurrency=4 \
    --loglevel=info \
    -n default_worker@%h

# Reports worker (CPU intensive)
celery -A config worker \
    -Q reports \
    --concurrency=2 \
    --loglevel=info \
    --max-tasks-per-child=50 \
    -n reports_worker@%h

# Maintenance worker (low priority)
celery -A config worker \
    -Q maintenance \
    --concurrency=1 \
    --loglevel=info \
    -n maintenance_worker@%h
