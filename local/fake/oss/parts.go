package oss

import (
	"crypto/md5" //nolint:gosec // the platform's choice
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/vodlift/vodlift/local/fake/sts/rpc"
)

// completeXML is the body of a complete.
type completeXML struct {
	XMLName xml.Name `xml:"CompleteMultipartUpload"`
	Parts   []struct {
		Number int    `xml:"PartNumber"`
		ETag   string `xml:"ETag"`
	} `xml:"Part"`
}

// chosen checks the parts that a complete names against those that are there (ref. d.1, d.4). Called with u.mu held.
func (s *Server) chosen(c call, u *upload, x *completeXML) ([]part, *failure) {
	var out []part
	if x == nil { // x-oss-complete-all
		for _, n := range slices.Sorted(maps.Keys(u.parts)) {
			out = append(out, u.parts[n])
		}
	} else {
		last := 0
		for _, p := range x.Parts {
			if p.Number < 1 || p.Number > s.o.Limits.Parts {
				return nil, fail("InvalidArgument", "Part number must be an integer between 1 and "+strconv.Itoa(s.o.Limits.Parts)+", inclusive.").
					with("ArgumentName", "PartNumber").with("ArgumentValue", strconv.Itoa(p.Number))
			}
			if p.Number <= last {
				return nil, fail("InvalidPartOrder").with("UploadId", u.ID)
			}
			last = p.Number
			have, ok := u.parts[p.Number]
			if etag := strings.Trim(strings.TrimSpace(p.ETag), `"`); !ok || !s.sameETag(etag, have.md5) {
				return nil, fail("InvalidPart").with("UploadId", u.ID).with("PartNumber", strconv.Itoa(p.Number)).with("PartEtag", etag)
			}
			out = append(out, have)
		}
	}
	if len(out) == 0 {
		return nil, fail(s.o.Readings.EmptyPartsCode)
	}
	var size int64
	for i, p := range out {
		size += p.size
		if i < len(out)-1 && p.size < s.o.Limits.PartMin {
			return nil, fail("EntityTooSmall").with("ProposedSize", strconv.FormatInt(p.size, 10)).
				with("MinSizeAllowed", strconv.FormatInt(s.o.Limits.PartMin, 10)).with("PartNumber", strconv.Itoa(p.number)).with("PartEtag", p.md5)
		}
	}
	if size > s.o.Limits.Object {
		return nil, fail("EntityTooLarge")
	}
	return out, nil
}

func (s *Server) sameETag(got, want string) bool {
	if s.o.Readings.PartETag == "fold" {
		return strings.EqualFold(got, want)
	}
	return got == want
}

// bodyDigest checks Content-MD5 of a body in memory.
func bodyDigest(c call, b []byte) *failure {
	want := c.r.Header.Get("Content-MD5")
	if sum := md5.Sum(b); want != "" && base64.StdEncoding.EncodeToString(sum[:]) != want { //nolint:gosec // the platform's choice
		return fail("InvalidDigest").with("Content-MD5", want)
	}
	return nil
}

func sha256Of(r io.Reader) (string, error) {
	h := sha256.New()
	if _, err := io.CopyBuffer(h, r, make([]byte, 128*KiB)); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// encoder obeys encoding-type=url, by which keys travel that XML cannot hold.
type encoder struct{ name string }

func (e encoder) text(key string) string {
	if e.name == "url" {
		return rpc.Escape(key)
	}
	return key
}

func encoding(c call) (encoder, *failure) {
	switch v := c.query.Get("encoding-type"); v {
	case "", "url":
		return encoder{v}, nil
	default:
		return encoder{}, fail("InvalidArgument").with("ArgumentName", "encoding-type").with("ArgumentValue", v)
	}
}

// number reads a whole number from the query; empty is fallback.
func number(c call, name string, fallback, least, most int) (int, *failure) {
	text := c.query.Get(name)
	if text == "" {
		return fallback, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, fail("InvalidArgument").with("ArgumentName", name).with("ArgumentValue", text)
	}
	return n, nil
}

type partXML struct {
	Number   int    `xml:"PartNumber"`
	Modified string `xml:"LastModified"`
	ETag     string `xml:"ETag"`
	Size     int64  `xml:"Size"`
	CRC64    string `xml:"HashCrc64ecma,omitempty"`
}

type partsXML struct {
	XMLName   xml.Name  `xml:"ListPartsResult"`
	Encoding  string    `xml:"EncodingType,omitempty"`
	Bucket    string    `xml:"Bucket"`
	Key       string    `xml:"Key"`
	UploadID  string    `xml:"UploadId"`
	Class     string    `xml:"StorageClass"`
	Marker    int       `xml:"PartNumberMarker"`
	Next      string    `xml:"NextPartNumberMarker"`
	Max       int       `xml:"MaxParts"`
	Truncated bool      `xml:"IsTruncated"`
	Parts     []partXML `xml:"Part"`
}

// listParts pages through the parts of an open upload, by number (ref. d.1).
func (s *Server) listParts(c call) result {
	encode, f1 := encoding(c)
	size, f2 := number(c, "max-parts", s.o.Limits.ListPage, 1, s.o.Limits.ListPage)
	marker, f3 := number(c, "part-number-marker", 0, 0, 1<<30)
	u, f4 := s.openUpload(c)
	for _, f := range []*failure{f1, f2, f3, f4} {
		if f != nil {
			return refused(f)
		}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.ended {
		return refused(noUpload(c))
	}
	out := partsXML{Encoding: encode.name, Bucket: c.name, Key: encode.text(c.key), UploadID: u.ID, Class: u.Header["x-oss-storage-class"], Marker: marker, Max: size}
	for _, n := range slices.Sorted(maps.Keys(u.parts)) {
		if n <= marker {
			continue
		}
		if out.Truncated = len(out.Parts) == size; out.Truncated {
			break
		}
		p := u.parts[n]
		row := partXML{Number: n, Modified: stamp(p.modified), ETag: quote(p.md5), Size: p.size}
		if s.o.Readings.ListCRC == "sent" {
			row.CRC64 = crcText(p.crc)
		}
		out.Parts = append(out.Parts, row)
		out.Next = strconv.Itoa(n)
	}
	return xmlResult(out)
}
