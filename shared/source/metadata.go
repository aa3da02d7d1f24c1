package source

import (
	"mime"
	"strings"
)

// DecodeMetadata gives user metadata as Info has it: names lower-case and without x-amz-meta-, values decoded. S3 sends
// a value with characters outside ASCII as RFC 2047 encoded words ("=?UTF-8?B?...?="), and so do careful clients. A
// value whose encoding is broken or unknown stays as it is; bytes that are no UTF-8 become U+FFFD.
func DecodeMetadata(raw map[string]string) map[string]string {
	out := make(map[string]string, len(raw))
	var words mime.WordDecoder
	for name, v := range raw {
		if d, err := words.DecodeHeader(v); err == nil {
			v = d
		}
		name = strings.TrimPrefix(strings.ToLower(name), "x-amz-meta-")
		out[name] = strings.ToValidUTF8(v, "\uFFFD")
	}
	return out
}

// PlainETag gives an ETag without the quotes that HTTP puts around it. All ETags in Object are plain.
func PlainETag(etag string) string { return strings.Trim(strings.TrimPrefix(etag, "W/"), `"`) }
