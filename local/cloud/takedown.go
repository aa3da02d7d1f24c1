package cloud

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cftypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	ddbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// The calls that change something. Each may be repeated: what is gone already counts as done. IAM actions:
// events:DisableRule, s3:DeleteObject, DeleteObjectVersion, AbortMultipartUpload and DeleteBucket,
// cloudformation:DeleteStack and what its resources want, dynamodb:UpdateTable and DeleteTable.

// Holding is what a bucket or a table has in it.
type Holding struct {
	Gone  bool
	Items int64
	Bytes int64
	More  bool // at least that much
}

// Bucket counts what is in a bucket, up to one page: enough to say whether there is anything.
func (a *Account) Bucket(ctx context.Context, bucket string) (Holding, error) {
	out, err := a.buckets.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &bucket})
	if err != nil {
		return Holding{Gone: codeOf(err) == "NoSuchBucket"}, unlessCode(err, "NoSuchBucket")
	}
	h := Holding{Items: int64(len(out.Contents)), More: aws.ToBool(out.IsTruncated)}
	for _, o := range out.Contents {
		h.Bytes += aws.ToInt64(o.Size)
	}
	return h, nil
}

// Table tells of the ledger as DynamoDB counts it, every six hours.
func (a *Account) Table(ctx context.Context, name string) (Holding, error) {
	out, err := a.tables.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &name})
	if err != nil || out.Table == nil {
		return Holding{Gone: codeOf(err) == "ResourceNotFoundException"}, unlessCode(orMissing(err, "the table "+name), "ResourceNotFoundException")
	}
	return Holding{Items: aws.ToInt64(out.Table.ItemCount), Bytes: aws.ToInt64(out.Table.TableSizeBytes)}, nil
}

func unlessCode(err error, codes ...string) error {
	if slices.Contains(codes, codeOf(err)) {
		return nil
	}
	return err
}

// DisableRule switches a rule or schedule off.
func (a *Account) DisableRule(ctx context.Context, name string) error {
	_, err := a.events.DisableRule(ctx, &eventbridge.DisableRuleInput{Name: &name})
	return unlessCode(err, "ResourceNotFoundException")
}

// Empty deletes every object of a bucket, every version of it, and every upload that was begun. Begun again after a
// failure it deletes the rest. deleted is told after each page.
func (a *Account) Empty(ctx context.Context, bucket string, deleted func(n int)) error {
	n := 0
	for {
		page, err := a.buckets.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: &bucket})
		if err != nil {
			return unlessCode(err, "NoSuchBucket")
		}
		var ids []s3types.ObjectIdentifier
		for _, v := range page.Versions {
			ids = append(ids, s3types.ObjectIdentifier{Key: v.Key, VersionId: v.VersionId})
		}
		for _, v := range page.DeleteMarkers {
			ids = append(ids, s3types.ObjectIdentifier{Key: v.Key, VersionId: v.VersionId})
		}
		if len(ids) == 0 {
			return a.endUploads(ctx, bucket)
		}
		out, err := a.buckets.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: &bucket, Delete: &s3types.Delete{Objects: ids, Quiet: aws.Bool(true)}})
		if err != nil {
			return err
		}
		if len(out.Errors) > 0 {
			e := out.Errors[0]
			return fmt.Errorf("s3:DeleteObject: %d of %d objects were not deleted, the first %.200q: %s %s", len(out.Errors), len(ids), aws.ToString(e.Key), aws.ToString(e.Code), Masked(aws.ToString(e.Message)))
		}
		n += len(ids)
		deleted(n)
	}
}

func (a *Account) endUploads(ctx context.Context, bucket string) error {
	pages := s3.NewListMultipartUploadsPaginator(a.buckets, &s3.ListMultipartUploadsInput{Bucket: &bucket})
	for pages.HasMorePages() {
		p, err := pages.NextPage(ctx)
		if err != nil {
			return unlessCode(err, "NoSuchBucket")
		}
		for _, u := range p.Uploads {
			if _, err := a.buckets.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &bucket, Key: u.Key, UploadId: u.UploadId}); unlessCode(err, "NoSuchUpload") != nil {
				return err
			}
		}
	}
	return nil
}

// RemoveBucket deletes an empty bucket.
func (a *Account) RemoveBucket(ctx context.Context, bucket string) error {
	_, err := a.buckets.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &bucket})
	return unlessCode(err, "NoSuchBucket")
}

// DeleteStack begins the deletion of a stack, also of one whose last deletion failed.
func (a *Account) DeleteStack(ctx context.Context, id string) error {
	_, err := a.stacks.DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: &id})
	return err
}

// ErrNotDeleted is in the chain where CloudFormation gave a deletion up.
var ErrNotDeleted = errors.New("CloudFormation did not delete the stack")

// AwaitDeleted waits for the end of a stack's deletion, looking every so often. id is its id, since a name means a living
// stack only. It gives the stack as it is then;
// ErrNotDeleted with the resources that stood in the way where it failed.
func (a *Account) AwaitDeleted(ctx context.Context, id string, every time.Duration) (Stack, error) {
	strange := 0
	for {
		out, err := a.stacks.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &id})
		if err != nil {
			return Stack{}, err
		}
		if len(out.Stacks) == 0 {
			return Stack{}, fmt.Errorf("%s: %w", id, ErrNoStack)
		}
		switch st := out.Stacks[0]; {
		case st.StackStatus == cftypes.StackStatusDeleteComplete:
			return a.filled(ctx, st)
		case st.StackStatus == cftypes.StackStatusDeleteInProgress:
			strange = 0
		case strange < believed:
			strange++
		default:
			s, err := a.filled(ctx, st)
			if err != nil {
				return s, err
			}
			return s, fmt.Errorf("%w: it is %s; %s", ErrNotDeleted, s.Status, stood(s))
		}
		if err := Pause(ctx, every); err != nil {
			return Stack{}, err
		}
	}
}

// believed is how many looks in a row have to show a status that is no deletion: the first ones after a deletion was
// begun may still show the one before it.
const believed = 3

// stood names what could not be deleted, and why.
func stood(st Stack) string {
	text := ""
	for _, r := range st.Going(nil) {
		if r.Status == "DELETE_FAILED" {
			text += fmt.Sprintf("%s (%s): %s; ", r.Logical, r.Type, Masked(r.Why))
		}
	}
	return text + Masked(st.Why)
}

// DeleteTable takes a table's protection away and deletes it. AWS keeps a last backup for 35 days.
func (a *Account) DeleteTable(ctx context.Context, name string) error {
	t, err := a.tables.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &name})
	if err != nil {
		return unlessCode(err, "ResourceNotFoundException")
	}
	if t.Table != nil && t.Table.TableStatus == ddbtypes.TableStatusDeleting {
		return nil
	}
	if t.Table == nil || aws.ToBool(t.Table.DeletionProtectionEnabled) {
		if _, err := a.tables.UpdateTable(ctx, &dynamodb.UpdateTableInput{TableName: &name, DeletionProtectionEnabled: aws.Bool(false)}); err != nil {
			return unlessCode(err, "ResourceNotFoundException")
		}
	}
	_, err = a.tables.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: &name})
	return unlessCode(err, "ResourceNotFoundException")
}

// Pause waits, or gives ctx's error.
func Pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
