package objects

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

// A bucket keeps objects in S3. A long object goes up in parts while it is written; the parts become an object in one request,
// which S3 refuses when there is one of this name (If-None-Match). Each part's checksum is checked by S3.
type bucket struct {
	name, prefix string
	place        string
	load         []func(*config.LoadOptions) error
	options      []func(*s3.Options)

	mu     sync.Mutex // guards client
	client *s3.Client // made when it is first needed: credentials may have to be asked for
}

const (
	partSize   = 8 << 20 // a long object takes some of these of memory, whatever its length
	partsAbout = 2       // that are on their way at once

	// An answer must begin within this time; what carries data may take as long as its context.
	connectWithin = 10 * time.Second
	answerWithin  = 60 * time.Second
)

func newBucket(u *url.URL) (*bucket, error) {
	b := &bucket{name: u.Host, prefix: strings.Trim(u.Path, "/")}
	if b.prefix != "" {
		b.prefix += "/"
	}
	b.place = "s3://" + b.name + "/" + b.prefix
	if b.name == "" {
		return nil, fmt.Errorf("objects: %s names no bucket", u)
	}
	q := u.Query()
	for name := range q {
		if name != "region" && name != "endpoint" && name != "path_style" {
			return nil, fmt.Errorf("objects: %s: %q is not known: want region, endpoint or path_style", b.place, name)
		}
	}
	if region := q.Get("region"); region != "" {
		b.load = append(b.load, config.WithRegion(region))
	}
	if endpoint := q.Get("endpoint"); endpoint != "" {
		b.options = append(b.options, func(o *s3.Options) { o.BaseEndpoint = aws.String(endpoint) })
	}
	if style := q.Get("path_style"); style != "" {
		b.options = append(b.options, func(o *s3.Options) { o.UsePathStyle = style == "true" })
	}
	return b, nil
}

// Place is the bucket and prefix.
func (b *bucket) Place() string { return b.place }

func (b *bucket) open(ctx context.Context) (*s3.Client, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.client != nil {
		return b.client, nil
	}
	bounded := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.TLSHandshakeTimeout, t.ResponseHeaderTimeout = connectWithin, answerWithin
	})
	c, err := config.LoadDefaultConfig(ctx, append(b.load, config.WithHTTPClient(bounded))...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.place, err)
	}
	b.client = s3.NewFromConfig(c, append(b.options, func(o *s3.Options) { o.DisableLogOutputChecksumValidationSkipped = true })...)
	return b.client, nil
}

func (b *bucket) key(name string) *string { return aws.String(b.prefix + name) }

// Put sends what is written as it is written. A writer that dies leaves parts that nobody sees, and Sweep removes.
func (b *bucket) Put(ctx context.Context, name string, write func(w io.Writer) error) error {
	if err := check(name); err != nil {
		return err
	}
	client, err := b.open(ctx)
	if err != nil {
		return err
	}
	switch _, err := client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.name, Key: b.key(name)}); {
	case err == nil:
		return fmt.Errorf("%s%s: %w", b.place, name, ErrExists)
	case !isMissing(err):
		return b.refused(ctx, client, b.place+name, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	out, in := io.Pipe()
	written := make(chan error, 1)
	go func() {
		err := write(in)
		_ = in.CloseWithError(err) // nil is the end of the file
		written <- err
	}()
	up := transfermanager.New(client, func(o *transfermanager.Options) {
		o.PartSizeBytes, o.MultipartUploadThreshold, o.Concurrency = partSize, partSize, partsAbout
		o.FailTimeout = answerWithin // to give parts back also when ctx has ended
	})
	_, err = up.UploadObject(ctx, &transfermanager.UploadObjectInput{Bucket: &b.name, Key: b.key(name), Body: out, IfNoneMatch: aws.String("*"),
		ContentType: aws.String("text/csv; charset=utf-8")})
	_ = out.CloseWithError(errors.Join(errStopped, err)) // frees a writer that nobody reads from
	failed := <-written
	switch {
	case err != nil && isTaken(err):
		return fmt.Errorf("%s%s: %w", b.place, name, ErrExists)
	case failed != nil && !errors.Is(failed, errStopped):
		return failed
	case err != nil:
		return b.refused(ctx, client, b.place+name, err)
	}
	return nil
}

var errStopped = errors.New("the upload has ended")

// Open reads an object as it comes.
func (b *bucket) Open(ctx context.Context, name string) (io.ReadCloser, int64, error) {
	if err := check(name); err != nil {
		return nil, 0, err
	}
	client, err := b.open(ctx)
	if err != nil {
		return nil, 0, err
	}
	o, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: &b.name, Key: b.key(name)})
	if err != nil {
		if isMissing(err) {
			return nil, 0, fmt.Errorf("%s%s: %w", b.place, name, ErrNotFound)
		}
		return nil, 0, b.refused(ctx, client, b.place+name, err)
	}
	return o.Body, aws.ToInt64(o.ContentLength), nil
}

// Remove removes an object. S3 does not mind when there is none.
func (b *bucket) Remove(ctx context.Context, name string) error {
	if err := check(name); err != nil {
		return err
	}
	client, err := b.open(ctx)
	if err != nil {
		return err
	}
	if _, err := client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.name, Key: b.key(name)}); err != nil && !isMissing(err) {
		return b.refused(ctx, client, b.place+name, err)
	}
	return nil
}

// Each lists the prefix, a page at a time.
func (b *bucket) Each(ctx context.Context, f func(Object) error) error {
	client, err := b.open(ctx)
	if err != nil {
		return err
	}
	pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: &b.name, Prefix: &b.prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return b.refused(ctx, client, "list "+b.place, err)
		}
		for _, o := range page.Contents {
			name := strings.TrimPrefix(aws.ToString(o.Key), b.prefix)
			if !names.MatchString(name) {
				continue
			}
			if err := f(Object{Name: name, Size: aws.ToInt64(o.Size), Made: aws.ToTime(o.LastModified)}); err != nil {
				return err
			}
		}
	}
	return nil
}

// Sweep gives back the parts of uploads that were begun and never ended. (A rule of the bucket's life cycle can do so too.)
func (b *bucket) Sweep(ctx context.Context, before time.Time) (int, error) {
	client, err := b.open(ctx)
	if err != nil {
		return 0, err
	}
	n := 0
	pages := s3.NewListMultipartUploadsPaginator(client, &s3.ListMultipartUploadsInput{Bucket: &b.name, Prefix: &b.prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return n, b.refused(ctx, client, "list unfinished uploads to "+b.place, err)
		}
		for _, u := range page.Uploads {
			if !aws.ToTime(u.Initiated).Before(before) {
				continue
			}
			_, err := client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &b.name, Key: u.Key, UploadId: u.UploadId})
			if err != nil && !isMissing(err) {
				return n, b.refused(ctx, client, "end an unfinished upload to "+b.place, err)
			}
			n++
		}
	}
	return n, nil
}

// isMissing tells whether S3 says that there is no such thing.
func isMissing(err error) bool {
	var key *types.NoSuchKey
	var upload *types.NoSuchUpload
	var object *types.NotFound
	return errors.As(err, &key) || errors.As(err, &upload) || errors.As(err, &object)
}

// isTaken tells whether S3 has refused because there is an object of this name.
func isTaken(err error) bool {
	var said smithy.APIError
	return errors.As(err, &said) && said.ErrorCode() == "PreconditionFailed"
}

// hints are what to look at when S3 refuses.
var hints = map[string]string{
	"SignatureDoesNotMatch": "AWS_SECRET_ACCESS_KEY, or the profile's or role's, is not the secret of this access key",
	"InvalidAccessKeyId":    "AWS_ACCESS_KEY_ID is not known here: has it been rotated, together with AWS_SECRET_ACCESS_KEY?",
	"ExpiredToken":          "the session is over: who renews AWS_SESSION_TOKEN?",
	"RequestTimeTooSkewed":  "this machine's clock is wrong",
	"AccessDenied":          "the bucket's policy or the role does not allow it",
}

// refused says what was attempted, why it failed, and what to look at. The answer to a HEAD request has no body that would say why it is
// forbidden; then a request that has one is made in its place.
func (b *bucket) refused(ctx context.Context, client *s3.Client, what string, err error) error {
	var said smithy.APIError
	if errors.As(err, &said) && said.ErrorCode() == "Forbidden" {
		if _, why := client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &b.name, Prefix: &b.prefix, MaxKeys: aws.Int32(1)}); errors.As(why, &said) {
			err = why
		}
	}
	if said != nil && hints[said.ErrorCode()] != "" {
		return fmt.Errorf("%s: %w (%s)", what, err, hints[said.ErrorCode()])
	}
	return fmt.Errorf("%s: %w", what, err)
}
