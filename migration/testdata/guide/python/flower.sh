# Start Flower
celery -A config flower \
    --port=5555 \
    --broker=$CELERY_BROKER_URL

# Or with authentication
celery -A config flower \
    --port=5555 \
    --basic_auth=admin:securepassword
