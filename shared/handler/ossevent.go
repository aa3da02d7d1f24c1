package handler

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vodlift/vodlift/shared/fault"
)

// Dropped is an object that was created in a bucket of OSS: the body of callback.PathObjectCreated. Time and Request
// make two drops of the same bytes two requests.
type Dropped struct {
	V       int    `json:"v"`
	Bucket  string `json:"bucket"`
	Key     string `json:"key"` // as the event has it
	ETag    string `json:"etag,omitempty"`
	Size    int64  `json:"size"`
	Time    string `json:"time,omitempty"`
	Request string `json:"request,omitempty"`
}

// Validate refuses what names no object. A key has at most 1,023 bytes, a bucket 3 to 63 (reference d.1).
func (d Dropped) Validate() error {
	switch {
	case d.V != 1:
		return refuse("v", "1", "this program reads version 1 only")
	case len(d.Bucket) < 3 || len(d.Bucket) > 63 || strings.Trim(d.Bucket, "abcdefghijklmnopqrstuvwxyz0123456789-") != "":
		return refuse("bucket", "a bucket's name", "it is none")
	case d.Key == "" || len(d.Key) > 3*1023: // it may be percent-encoded
		return refuse("key", "1 to 1023 bytes", "it is none")
	case d.Size < 0:
		return refuse("size", "at least 0", "it is negative")
	}
	return nil
}

// ossEvent is the event of an OSS trigger (reference e.1). Our own type, and not the SDK's: that one cannot hold a
// request id that stands inside oss, as in the MNS form, and fails on a time in another form.
type ossEvent struct {
	Events []struct {
		EventName string       `json:"eventName"`
		EventTime string       `json:"eventTime"`
		OSS       ossPart      `json:"oss"`
		Response  ossRequestID `json:"responseElements"`
	} `json:"events"`
}

type ossPart struct {
	Bucket struct {
		Name string `json:"name"`
	} `json:"bucket"`
	Object struct {
		ETag string `json:"eTag"`
		Key  string `json:"key"`
		Size int64  `json:"size"`
	} `json:"object"`
	Response ossRequestID `json:"responseElements"`
}

type ossRequestID struct {
	RequestID string `json:"requestId"`
}

// createdWhole lists the events after which an object is there, whole. An appended object may still grow.
func createdWhole() []string {
	return []string{"PutObject", "PostObject", "CopyObject", "CompleteMultipartUpload"}
}

// OSSEvent makes a Function of fn for OSS triggers of Function Compute: fn is called for every object that was created;
// other events are dropped. Both forms are read, the trigger's and that of MNS, whose body is base64. All records are
// tried; if one is malformed or fn failed for any, the answer is an error and the service delivers the event again, so fn
// must bear repeats.
func OSSEvent(fn func(ctx context.Context, d Dropped) error) Function {
	type result struct {
		Objects int `json:"objects"`
	}
	return func(ctx context.Context, event json.RawMessage) (json.RawMessage, error) {
		all, errs := dropped(event)
		for _, d := range all {
			errs = append(errs, fn(ctx, d))
		}
		if err := errors.Join(errs...); err != nil {
			return nil, err
		}
		return encode(result{Objects: len(all)})
	}
}

// dropped gives the objects of the event's good records, and an error for each of the others.
func dropped(event []byte) (all []Dropped, errs []error) {
	if len(event) > maxInvokeBytes {
		return nil, []error{refuse("", "size", fmt.Sprintf("%d bytes, at most %d", len(event), maxInvokeBytes))}
	}
	plain, err := unMNS(event)
	if err != nil {
		return nil, []error{err}
	}
	var e ossEvent
	if err := json.Unmarshal(plain, &e); err != nil || e.Events == nil {
		return nil, []error{fault.InvalidField("handler.OSSEvent", "events", "event of an OSS trigger", "the event has none of the forms of an OSS event")}
	}
	for _, r := range e.Events {
		name, ok := strings.CutPrefix(r.EventName, "ObjectCreated:")
		if !ok || !slices.Contains(createdWhole(), name) {
			continue
		}
		d := Dropped{V: 1, Bucket: r.OSS.Bucket.Name, Key: r.OSS.Object.Key, ETag: strings.Trim(r.OSS.Object.ETag, `"`), Size: r.OSS.Object.Size,
			Time: r.EventTime, Request: cmp.Or(r.Response.RequestID, r.OSS.Response.RequestID)}
		if err := d.Validate(); err != nil {
			errs = append(errs, err)
			continue
		}
		all = append(all, d)
	}
	return all, errs
}

// unMNS undoes the base64 of the MNS form: as the whole event, as a JSON text, or in the member that a trigger of a
// queue (messageBody) or a topic (Message) puts it in. Anything else is left as it is.
func unMNS(event []byte) ([]byte, error) {
	event = bytes.TrimSpace(event)
	text := ""
	switch {
	case len(event) == 0:
		return nil, refuse("", "JSON", "the event is empty")
	case event[0] == '"':
		if json.Unmarshal(event, &text) != nil {
			return nil, refuse("", "JSON", "the event is not JSON")
		}
	case event[0] != '{':
		text = string(event)
	default:
		var form struct {
			Data struct {
				MessageBody json.RawMessage `json:"messageBody"`
			} `json:"data"`
			Message     string `json:"Message"`
			MessageBody string `json:"messageBody"`
		}
		if json.Unmarshal(event, &form) != nil {
			return event, nil
		}
		if b := bytes.TrimSpace(form.Data.MessageBody); len(b) > 0 && b[0] == '{' {
			return b, nil
		} else if len(b) > 0 {
			_ = json.Unmarshal(b, &text)
		}
		if text = cmp.Or(text, form.Message, form.MessageBody); text == "" {
			return event, nil
		}
	}
	if text = strings.TrimSpace(text); strings.HasPrefix(text, "{") {
		return []byte(text), nil
	}
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, refuse("", "base64", "the event is neither JSON nor base64")
	}
	return b, nil
}
