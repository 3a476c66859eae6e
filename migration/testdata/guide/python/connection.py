# Use connection pooling
CELERY_BROKER_POOL_LIMIT = 20

# Enable connection retry
CELERY_BROKER_CONNECTION_RETRY = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = 10

# Heartbeat to detect dead connections
CELERY_BROKER_HEARTBEAT = 30
