package fake

import (
	"encoding/json"
	"time"
)

// Effects is what the platform really did: the number of posts is what "exactly once" is measured against.
type Effects struct {
	Posts  []Post  `json:"posts"`
	Assets []Asset `json:"assets"`
}

// Post is one public work. A deleted post stays listed: it was made.
type Post struct {
	ID      string          `json:"id"`
	Account string          `json:"account"`
	Asset   string          `json:"asset"`
	Title   string          `json:"title"`
	Size    int64           `json:"size"`
	SHA256  string          `json:"sha256"`
	Time    time.Time       `json:"time"`
	Deleted bool            `json:"deleted,omitempty"`
	Fields  json.RawMessage `json:"fields,omitempty"` // the request that made it, as far as the platform knows its fields
}

// Asset is one finished remote file. Posts counts the posts made from it.
type Asset struct {
	ID      string    `json:"id"`
	Account string    `json:"account"`
	Title   string    `json:"title"`
	Size    int64     `json:"size"`
	SHA256  string    `json:"sha256"`
	Time    time.Time `json:"time"`
	Parts   int       `json:"parts,omitempty"`
	Posts   int       `json:"posts"`
}
