package rpc

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"strings"

	"github.com/vodlift/vodlift/local/fake"
)

// fault is the body of a refusal (a.1).
type fault struct {
	XMLName   xml.Name `json:"-" xml:"Error"`
	RequestID string   `json:"RequestId" xml:"RequestId"`
	HostID    string   `json:"HostId" xml:"HostId"`
	Code      string   `json:"Code" xml:"Code"`
	Message   string   `json:"Message" xml:"Message"`
}

// Refuse writes an error in the format the caller asked for; the service's own default is XML (a.1).
func Refuse(format, requestID, host string, e *Error) fake.Answer {
	a := Answer(format, fault{RequestID: requestID, HostID: host, Code: e.Code, Message: e.Message})
	a.Status = e.Status
	return a
}

// Answer writes v, which has names for both encodings, in the format the caller asked for.
func Answer(format string, v any) fake.Answer {
	a := fake.Answer{Status: http.StatusOK, Header: http.Header{}}
	var err error
	if strings.EqualFold(format, "JSON") {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		err = e.Encode(v)
		a.Body = bytes.TrimSuffix(b.Bytes(), []byte("\n"))
		a.Header.Set("Content-Type", "application/json;charset=utf-8")
	} else {
		a.Body, err = xml.Marshal(v)
		a.Body = append([]byte("<?xml version='1.0' encoding='UTF-8'?>"), a.Body...)
		a.Header.Set("Content-Type", "text/xml;charset=utf-8")
	}
	if err != nil { // only a type that cannot be encoded: a mistake in a fake
		panic(err)
	}
	return a
}

// RequestID formats 16 random bytes the way these services name a request.
func RequestID(b [16]byte) string {
	return fmt.Sprintf("%X-%X-%X-%X-%X", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16])
}
