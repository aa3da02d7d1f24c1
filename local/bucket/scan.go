package bucket

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const pageSize = 1000

// Scan calls fn for every object in every bucket of Options.Buckets, in the order of the keys, as the event that was or
// should have been sent when it was made. An error of fn ends the scan and is returned as it is.
//
// An object may exist without its event ever having been taken, since the process can be killed between the two. So
// whoever needs "at least once" scans at the start; he has to tolerate events that he knows already.
func (g *Gateway) Scan(ctx context.Context, fn func(Event) error) error {
	for _, b := range g.opts.Buckets {
		if err := g.scanBucket(ctx, b, fn); err != nil {
			return err
		}
	}
	return nil
}

func (g *Gateway) scanBucket(ctx context.Context, bucket string, fn func(Event) error) error {
	token := ""
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		page, err := g.store.Backend.ListObjectsV2(ctx, &s3.ListObjectsV2Input{
			Bucket: &bucket, Prefix: new(string), Delimiter: new(string), StartAfter: new(string),
			ContinuationToken: &token, MaxKeys: aws.Int32(pageSize), FetchOwner: aws.Bool(false),
		})
		if err != nil {
			return fmt.Errorf("bucket: list %s: %w", bucket, err)
		}
		for _, c := range page.Contents {
			ev, err := g.opts.created(bucket, Object{Key: value(c.Key), ETag: value(c.ETag), Size: aws.ToInt64(c.Size)},
				aws.ToTime(c.LastModified), reasonOf(value(c.ETag)))
			if err != nil {
				return err
			}
			if err := fn(ev); err != nil {
				return err
			}
		}
		token = value(page.NextContinuationToken)
		if !aws.ToBool(page.IsTruncated) || token == "" {
			return nil
		}
	}
}

// reasonOf tells how an object was made: the ETag of a multipart upload ends in its number of parts.
func reasonOf(etag string) string {
	if strings.Contains(etag, "-") {
		return ReasonComplete
	}
	return ReasonPut
}

// List gives what Scan gives, as far as it was made at since or later. The zero time gives everything.
func (g *Gateway) List(ctx context.Context, since time.Time) ([]Event, error) {
	var out []Event
	err := g.Scan(ctx, func(ev Event) error {
		if !ev.Time.Before(since.Truncate(time.Second)) {
			out = append(out, ev)
		}
		return nil
	})
	return out, err
}

// Replay hands everything that was made at since or later to OnEvent, one after another, with the retries of a live
// event. It returns how many were taken, and an error if any was not.
func (g *Gateway) Replay(ctx context.Context, since time.Time) (taken int, err error) {
	if g.opts.OnEvent == nil {
		return 0, nil
	}
	refused := 0
	err = g.Scan(ctx, func(ev Event) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case ev.Time.Before(since.Truncate(time.Second)):
		case g.store.deliver(ev):
			taken++
		default:
			refused++
		}
		return nil
	})
	if err == nil && refused > 0 {
		err = fmt.Errorf("bucket: %d of %d events were refused", refused, refused+taken)
	}
	return taken, err
}

// Client makes an S3 client for this gateway with its only account: path-style, one attempt per call. change may be
// nil; it sees the options last, for example to put in another HTTP client.
func (g *Gateway) Client(change func(*s3.Options)) *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint: aws.String(g.endpoint), Region: g.opts.Region, UsePathStyle: true, Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider(g.opts.AccessKey, g.opts.SecretKey, ""),
	}, func(o *s3.Options) {
		if change != nil {
			change(o)
		}
	})
}

// makeBuckets goes through the gateway's own front door, which sets the owner that its storage alone would not.
func (g *Gateway) makeBuckets(ctx context.Context) error {
	c := g.Client(nil)
	for _, b := range g.opts.Buckets {
		_, err := c.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &b})
		var mine *types.BucketAlreadyOwnedByYou
		if err != nil && !errors.As(err, &mine) {
			return fmt.Errorf("bucket: make %s: %w", b, err)
		}
		if !g.opts.Versioning {
			continue
		}
		_, err = c.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: &b,
			VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled}})
		if err != nil {
			return fmt.Errorf("bucket: versions of %s: %w", b, err)
		}
	}
	return nil
}
