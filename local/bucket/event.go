package bucket

import (
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"
)

// Event is the "Object Created" event exactly as Amazon S3 sends it to EventBridge (S3 User Guide, "EventBridge event
// message structure"). Unlike in S3's own notifications the key is not URL-encoded, and the ETag has no quotes.
type Event struct {
	Version    string    `json:"version"`
	ID         string    `json:"id"`
	DetailType string    `json:"detail-type"`
	Source     string    `json:"source"`
	Account    string    `json:"account"`
	Time       time.Time `json:"time"`
	Region     string    `json:"region"`
	Resources  []string  `json:"resources"`
	Detail     Detail    `json:"detail"`
}

// Detail is what S3 itself says in an Event.
type Detail struct {
	Version         string `json:"version"`
	Bucket          Bucket `json:"bucket"`
	Object          Object `json:"object"`
	RequestID       string `json:"request-id"`
	Requester       string `json:"requester"`
	SourceIPAddress string `json:"source-ip-address"`
	Reason          string `json:"reason"`
}

// Bucket names the bucket of an Event.
type Bucket struct {
	Name string `json:"name"`
}

// Object is the object of an Event. Sequencer orders the events of one key: compare as text after padding, larger is
// later.
type Object struct {
	Key       string `json:"key"`
	Size      int64  `json:"size"`
	ETag      string `json:"etag"`
	VersionID string `json:"version-id,omitempty"`
	Sequencer string `json:"sequencer"`
}

// The reasons that this bucket gives. A form upload arrives as PutObject.
const (
	ReasonPut      = "PutObject"
	ReasonCopy     = "CopyObject"
	ReasonComplete = "CompleteMultipartUpload"
)

// created makes the event for one object.
func (o Options) created(bucket string, obj Object, at time.Time, reason string) (Event, error) {
	id := make([]byte, 24)
	if _, err := io.ReadFull(o.Rand, id); err != nil {
		return Event{}, fmt.Errorf("bucket: event id: %w", err)
	}
	obj.ETag = strings.Trim(obj.ETag, `"`)
	obj.Sequencer = fmt.Sprintf("%016X", at.UnixNano())
	return Event{
		Version: "0", ID: uuid(id[:16]), DetailType: "Object Created", Source: "aws.s3", Account: o.Account,
		Time: at.UTC().Truncate(time.Second), Region: o.Region, Resources: []string{"arn:aws:s3:::" + bucket},
		Detail: Detail{
			Version: "0", Bucket: Bucket{Name: bucket}, Object: obj, RequestID: strings.ToUpper(hex.EncodeToString(id[16:])),
			Requester: o.Account, SourceIPAddress: "127.0.0.1", Reason: reason,
		},
	}, nil
}

// uuid writes sixteen random bytes as a version 4 UUID.
func uuid(b []byte) string {
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
