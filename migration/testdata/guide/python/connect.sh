# Test connection
python -c "from celery import Celery; app = Celery(); app.conf.broker_url='amqps://...'; print(app.connection().connect())"

# Check network connectivity
telnet b-xxxxx.mq.region.amazonaws.com 5671

# Verify SSL certificate
openssl s_client -connect b-xxxxx.mq.region.amazonaws.com:5671
