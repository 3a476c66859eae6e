# settings/production.py

CELERY_BROKER_TRANSPORT_OPTIONS = {
    'region': 'us-east-1',
    'queue_name_prefix': 'myapp-',
}

# Celery CloudWatch exporter
CELERY_RESULT_BACKEND_TRANSPORT_OPTIONS = {
    'master_name': 'mymaster',
    'socket_keepalive': True,
}
