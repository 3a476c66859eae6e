// Package account creates and describes brokers of Amazon MQ through AWS's API.
//
// Region and credentials are found where the AWS SDK looks for them; AWS_ENDPOINT_URL_MQ is another address of the service.
package account
