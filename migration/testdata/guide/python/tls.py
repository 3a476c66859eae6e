# TLS/SSL encryption in transit
CELERY_BROKER_USE_SSL = {
    'ssl_cert_reqs': 'CERT_REQUIRED',
    'ssl_ca_certs': '/etc/ssl/certs/ca-certificates.crt',
}

# Enable encryption at rest in AmazonMQ
# (Configure via AWS Console or Terraform)
