package youku

import (
	"fmt"
	"log/slog"
	"time"
)

// Storage is what the platform needs of the object storage behind it. Implementations are safe for concurrent use and
// never call back into the Server. Their state must outlive a process as the Server's does.
type Storage interface {
	// Issue makes a credential for exactly this object that lives for life. It may PUT it, upload it in parts, list those
	// and abort, but not HEAD, GET or DELETE it (ref. 6, assumed). Credentials issued before are not touched: they stay
	// valid until their own end (ref. 10).
	Issue(bucket, object string, life time.Duration) (Credentials, error)

	// Stat describes a complete object; ok is false where there is none, or only parts of one. It may take as long as
	// reading the object does.
	Stat(bucket, object string) (o Object, ok bool)
}

// Object is a stored object. MD5 is that of its whole content in lower-case hex, which for a multipart object is not its
// ETag (ref. 6). SHA256 is for the effects only and may be empty.
type Object struct {
	Size   int64
	MD5    string
	SHA256 string
}

// Credentials are one temporary credential of the object storage: id, secret and token belong together (ref. 5).
type Credentials struct {
	AccessKeyID     string
	AccessKeySecret string
	SecurityToken   string
	Expires         time.Time
}

// String names the credential without its secrets.
func (c Credentials) String() string {
	return fmt.Sprintf("oss credential until %s", c.Expires.UTC().Format(time.RFC3339))
}

// GoString keeps the secrets out of %#v too.
func (c Credentials) GoString() string { return c.String() }

// LogValue keeps the secrets out of logs.
func (c Credentials) LogValue() slog.Value { return slog.StringValue(c.String()) }
