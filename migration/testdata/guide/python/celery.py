import os
from celery import Celery

app = Celery('myapp')
app.config_from_object('django.conf:settings', namespace='CELERY')

if os.environ.get('DJANGO_SETTINGS_MODULE') == 'config.settings.production':
    # AmazonMQ connection string
    # Format: amqps://username:password@broker-id.mq.region.amazonaws.com:5671
    broker_url = os.environ.get('CELERY_BROKER_URL')

    app.conf.update(
        # Broker configuration
        broker_url=broker_url,

        # SSL/TLS configuration
        broker_use_ssl={
            'ssl_cert_reqs': 'CERT_REQUIRED',
            'ssl_ca_certs': '/etc/ssl/certs/ca-certificates.crt',
        },

        # Connection pool
        broker_pool_limit=20,
        broker_connection_timeout=30,
        broker_connection_retry=True,
        broker_connection_max_retries=10,
        broker_connection_retry_on_startup=True,

        # Heartbeat (detect dead connections)
        broker_heartbeat=30,
        broker_heartbeat_checkrate=2,

        # Prefetch and acknowledgments
        worker_prefetch_multiplier=4,
        task_acks_late=True,
        task_reject_on_worker_lost=True,

        # Worker configuration
        worker_max_tasks_per_child=1000,
        worker_disable_rate_limits=False,

        # Result backend (Redis)
        result_backend=os.environ.get('CELERY_RESULT_BACKEND'),
        result_expires=3600,

        # Serialization
        task_serializer='json',
        result_serializer='json',
        accept_content=['json'],

        # Timezone
        timezone='UTC',
        enable_utc=True,
    )
