package oss

import (
	"encoding/xml"
	"maps"
	"slices"
	"strconv"
	"strings"
)

type uploadXML struct {
	Key       string `xml:"Key"`
	ID        string `xml:"UploadId"`
	Class     string `xml:"StorageClass"`
	Initiated string `xml:"Initiated"`
}

type uploadsXML struct {
	XMLName    xml.Name    `xml:"ListMultipartUploadsResult"`
	Encoding   string      `xml:"EncodingType,omitempty"`
	Bucket     string      `xml:"Bucket"`
	KeyMarker  string      `xml:"KeyMarker"`
	IDMarker   string      `xml:"UploadIdMarker"`
	NextKey    string      `xml:"NextKeyMarker"`
	NextID     string      `xml:"NextUploadIdMarker"`
	Delimiter  string      `xml:"Delimiter"`
	Prefix     string      `xml:"Prefix"`
	MaxUploads int         `xml:"MaxUploads"`
	Truncated  bool        `xml:"IsTruncated"`
	Uploads    []uploadXML `xml:"Upload"`
}

// listUploads pages through the open uploads of a bucket, by key and then by id. Delimiter is not simulated.
func (s *Server) listUploads(c call) result {
	encode, f := encoding(c)
	size, f2 := number(c, "max-uploads", s.o.Limits.ListPage, 1, s.o.Limits.ListPage)
	if f == nil {
		f = f2
	}
	if c.query.Get("delimiter") != "" {
		f = fail("NotImplemented", "delimiter is not simulated for uploads.")
	}
	if f != nil {
		return refused(f)
	}
	q := c.query
	out := uploadsXML{Encoding: encode.name, Bucket: c.name, KeyMarker: encode.text(q.Get("key-marker")), IDMarker: q.Get("upload-id-marker"),
		Prefix: encode.text(q.Get("prefix")), MaxUploads: size}
	s.mu.Lock()
	all := slices.Collect(maps.Values(c.bucket.uploads))
	s.mu.Unlock()
	slices.SortFunc(all, func(a, b *upload) int {
		if n := strings.Compare(a.Key, b.Key); n != 0 {
			return n
		}
		return strings.Compare(a.ID, b.ID)
	})
	for _, u := range all {
		after := u.Key > q.Get("key-marker") || (u.Key == q.Get("key-marker") && q.Get("upload-id-marker") != "" && u.ID > q.Get("upload-id-marker"))
		if !after || !strings.HasPrefix(u.Key, q.Get("prefix")) {
			continue
		}
		if out.Truncated = len(out.Uploads) == size; out.Truncated {
			break
		}
		out.Uploads = append(out.Uploads, uploadXML{encode.text(u.Key), u.ID, u.Header["x-oss-storage-class"], stamp(u.Initiated)})
		out.NextKey, out.NextID = encode.text(u.Key), u.ID
	}
	if !out.Truncated {
		out.NextKey, out.NextID = "", ""
	}
	return xmlResult(out)
}

type contentXML struct {
	Key      string `xml:"Key"`
	Modified string `xml:"LastModified"`
	ETag     string `xml:"ETag"`
	Type     string `xml:"Type"`
	Size     int64  `xml:"Size"`
	Class    string `xml:"StorageClass"`
}

type prefixXML struct {
	Prefix string `xml:"Prefix"`
}

type objectsXML struct {
	XMLName   xml.Name     `xml:"ListBucketResult"`
	Name      string       `xml:"Name"`
	Prefix    string       `xml:"Prefix"`
	Marker    *string      `xml:"Marker"` // version 1
	Start     *string      `xml:"StartAfter"`
	Token     *string      `xml:"ContinuationToken"`
	Max       int          `xml:"MaxKeys"`
	Delimiter string       `xml:"Delimiter"`
	Encoding  string       `xml:"EncodingType,omitempty"`
	Truncated bool         `xml:"IsTruncated"`
	Next      string       `xml:"NextMarker,omitempty"`
	NextToken string       `xml:"NextContinuationToken,omitempty"`
	Count     *int         `xml:"KeyCount"`
	Contents  []contentXML `xml:"Contents"`
	Prefixes  []prefixXML  `xml:"CommonPrefixes"`
}

// listObjects answers both versions of the list (the reference names neither; the fields are those that the vendor's SDK
// reads). The continuation token is the last key or prefix in ASCII.
func (s *Server) listObjects(c call) result {
	encode, f := encoding(c)
	size, f2 := number(c, "max-keys", 100, 1, s.o.Limits.ListPage)
	if f == nil {
		f = f2
	}
	q := c.query
	v2 := q.Get("list-type") == "2"
	after := q.Get("marker")
	if v2 {
		after = q.Get("start-after")
		if token := q.Get("continuation-token"); token != "" {
			last, err := strconv.Unquote(`"` + token + `"`)
			if err != nil {
				f = fail("InvalidArgument").with("ArgumentName", "continuation-token").with("ArgumentValue", token)
			}
			after = last
		}
	}
	if f != nil {
		return refused(f)
	}
	prefix, delimiter := q.Get("prefix"), q.Get("delimiter")
	out := objectsXML{Name: c.name, Prefix: encode.text(prefix), Max: size, Delimiter: encode.text(delimiter), Encoding: encode.name}
	s.mu.Lock()
	keys := slices.Sorted(maps.Keys(c.bucket.objects))
	objects := maps.Clone(c.bucket.objects)
	s.mu.Unlock()
	n, last := 0, ""
	for _, key := range keys {
		group := common(key, prefix, delimiter)
		name := key
		if group != "" {
			name = group
		}
		if !strings.HasPrefix(key, prefix) || name <= after || (group != "" && group == last) {
			continue
		}
		if out.Truncated = n == size; out.Truncated {
			break
		}
		n, last = n+1, name
		if group != "" {
			out.Prefixes = append(out.Prefixes, prefixXML{encode.text(group)})
			continue
		}
		o := objects[key]
		out.Contents = append(out.Contents, contentXML{encode.text(key), stamp(o.Modified), quote(o.ETag), o.Type, o.Size, o.Header["x-oss-storage-class"]})
	}
	out.mark(q, encode, v2, n, last)
	return xmlResult(out)
}

// mark fills in the fields in which the two versions differ.
func (x *objectsXML) mark(q map[string][]string, encode encoder, v2 bool, n int, last string) {
	get := func(name string) *string {
		v := ""
		if len(q[name]) > 0 {
			v = q[name][0]
		}
		return &v
	}
	if v2 {
		x.Count, x.Start, x.Token = &n, get("start-after"), get("continuation-token")
		*x.Start = encode.text(*x.Start)
		if x.Truncated {
			quoted := strconv.QuoteToASCII(last)
			x.NextToken = quoted[1 : len(quoted)-1]
		}
		return
	}
	x.Marker = get("marker")
	*x.Marker = encode.text(*x.Marker)
	if x.Truncated {
		x.Next = encode.text(last)
	}
}

// common is the group that a key falls into under a delimiter, or empty.
func common(key, prefix, delimiter string) string {
	if delimiter == "" || !strings.HasPrefix(key, prefix) {
		return ""
	}
	rest := key[len(prefix):]
	if i := strings.Index(rest, delimiter); i >= 0 {
		return prefix + rest[:i+len(delimiter)]
	}
	return ""
}
