# Check active queues
celery -A config inspect active_queues

# Check registered tasks
celery -A config inspect registered

# Purge queue (development only!)
celery -A config purge
