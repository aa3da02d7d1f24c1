package handler

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/vodlift/vodlift/shared/fault"
)

// Limits of what comes in. An event of the machine or of the bus is at most 256 KiB by the services' own limits.
const (
	MaxEventBytes = 256 << 10
	MaxDepth      = 32
)

// Validator is what an input type may have; its error reaches the caller as Invalid unless it has a kind already.
type Validator interface{ Validate() error }

// JSON makes a Function of fn for events that we make ourselves (the steps of the machine, schedules, requests): an
// unknown field is refused, since it is a misspelt one. Input beyond MaxEventBytes or MaxDepth, a key given twice,
// text that is not UTF-8, anything after the value, and what Validate refuses are Invalid, and fn is not called.
func JSON[In, Out any](fn func(context.Context, In) (Out, error)) Function {
	return function(fn, true)
}

// AWSEvent is JSON for events that AWS makes and extends as it likes: unknown fields are let through.
func AWSEvent[In, Out any](fn func(context.Context, In) (Out, error)) Function {
	return function(fn, false)
}

func function[In, Out any](fn func(context.Context, In) (Out, error), strict bool) Function {
	return func(ctx context.Context, event json.RawMessage) (json.RawMessage, error) {
		var in In
		if err := decode(event, &in, MaxEventBytes, strict); err != nil {
			return nil, err
		}
		out, err := fn(ctx, in)
		if err != nil {
			return nil, err
		}
		return encode(out)
	}
}

func encode(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fault.Newf(fault.Unknown, "handler.JSON", "the answer cannot be written as JSON: %w", err)
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// Decode reads one JSON value into v under the rules of JSON (strict) or AWSEvent, and calls v's Validate if it has one.
// Every error is Invalid and names field and rule.
func Decode(b []byte, v any, strict bool) error { return decode(b, v, MaxEventBytes, strict) }

func decode(b []byte, v any, maxBytes int, strict bool) error {
	if err := scan(b, maxBytes); err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	if strict {
		dec.DisallowUnknownFields()
	}
	if err := dec.Decode(v); err != nil {
		return decodeFault(err)
	}
	// In is a value here and its Validate may have either receiver: the pointer has both.
	if val, ok := v.(Validator); ok {
		if err := val.Validate(); err != nil {
			if fault.As(err) != nil {
				return err
			}
			return fault.InvalidField("handler.Decode", "", "valid input", Redact(err.Error(), maxMessage))
		}
	}
	return nil
}

// decodeFault names field and rule of what encoding/json refused.
func decodeFault(err error) error {
	var typ *json.UnmarshalTypeError
	if errors.As(err, &typ) {
		return refuse(typ.Field, "type", fmt.Sprintf("got %s, want %s", typ.Value, typ.Type))
	}
	// encoding/json has no type for this one.
	if field, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		name, uerr := strconv.Unquote(field)
		if uerr != nil {
			name = field
		}
		return refuse(name, "known field", "this field is not known")
	}
	if fault.As(err) != nil {
		return err
	}
	return refuse("", "JSON", err.Error())
}

func refuse(field, rule, msg string) error {
	return fault.InvalidField("handler.Decode", Redact(field, 128), rule, Redact(msg, 512))
}

// scan walks b once before it is decoded: it holds the bounds that encoding/json does not have.
func scan(b []byte, maxBytes int) error {
	if len(b) > maxBytes {
		return refuse("", "size", fmt.Sprintf("%d bytes, at most %d", len(b), maxBytes))
	}
	if !utf8.Valid(b) {
		return refuse("", "UTF-8", "the text is not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if err := scanValue(dec, 0); err != nil {
		if fault.As(err) != nil {
			return err
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return refuse("", "JSON", "the text ends too early")
		}
		return refuse("", "JSON", err.Error())
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return refuse("", "JSON", "something follows the value")
	}
	return nil
}

func scanValue(dec *json.Decoder, depth int) error {
	tok, err := dec.Token()
	if err != nil {
		return err
	}
	open, ok := tok.(json.Delim)
	if !ok {
		return nil
	}
	if depth++; depth > MaxDepth {
		return refuse("", "depth", fmt.Sprintf("nested deeper than %d", MaxDepth))
	}
	var seen map[string]bool
	if open == '{' {
		seen = map[string]bool{}
	}
	for dec.More() {
		if seen != nil {
			key, err := dec.Token()
			if err != nil {
				return err
			}
			name, _ := key.(string)
			if seen[name] {
				return refuse(name, "once", "this field is given twice")
			}
			seen[name] = true
		}
		if err := scanValue(dec, depth); err != nil {
			return err
		}
	}
	_, err = dec.Token()
	return err
}
