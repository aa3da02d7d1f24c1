package rig

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Doubles answers the calls to KMS, Step Functions and EventBridge that our roles allow, and refuses every other. It
// checks what the service would: the signature's service and region, the protocol, the fields. Safe for concurrent use.
type Doubles struct {
	// Start and Wake are Step Functions. An error is answered under its name: ExecutionAlreadyExists, TaskDoesNotExist,
	// TaskTimedOut; any other is InternalServiceError.
	Start func(name string, input []byte) (arn string, err error)
	Wake  func(token, output string) error
	// Region and AccessKey are what requests must be signed for and with; default those of this package.
	Region, AccessKey string

	mu     sync.Mutex
	master cipher.AEAD
	sent   []Sent
	wrong  []string
}

// Sent is an event that was put onto the bus.
type Sent struct{ Bus, Source, Type, Detail string }

// NewDoubles gives doubles whose key no other has.
func NewDoubles() (*Doubles, error) {
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	d := &Doubles{Region: Region, AccessKey: AccessKey}
	d.master, err = cipher.NewGCM(block)
	return d, err
}

// Events are what was put onto the bus.
func (d *Doubles) Events() []Sent {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.sent)
}

// Wrong says which requests the services would not have taken.
func (d *Doubles) Wrong() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.wrong)
}

// call is one operation: whose it is, how it is written, and what it does.
type call struct {
	service, protocol string
	do                func(body []byte) (any, error)
}

func (d *Doubles) calls() map[string]call {
	return map[string]call{
		"TrentService.GenerateDataKey":     {"kms", "application/x-amz-json-1.1", d.generateDataKey},
		"TrentService.Decrypt":             {"kms", "application/x-amz-json-1.1", d.decrypt},
		"AWSStepFunctions.StartExecution":  {"states", "application/x-amz-json-1.0", d.startExecution},
		"AWSStepFunctions.SendTaskSuccess": {"states", "application/x-amz-json-1.0", d.sendTaskSuccess},
		"AWSEvents.PutEvents":              {"events", "application/x-amz-json-1.1", d.putEvents},
	}
}

// ServeHTTP dispatches by X-Amz-Target.
func (d *Doubles) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	target := r.Header.Get("X-Amz-Target")
	c, ok := d.calls()[target]
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	scope := "/" + d.Region + "/" + c.service + "/aws4_request"
	switch auth := r.Header.Get("Authorization"); {
	case err != nil:
		return
	case !ok:
		d.refuse(w, target, "UnknownOperationException", "no role of ours allows it")
		return
	case r.Method != http.MethodPost || r.URL.Path != "/" || r.Header.Get("Content-Type") != c.protocol:
		d.refuse(w, target, "SerializationException", "not its protocol")
		return
	case !strings.HasPrefix(auth, "AWS4-HMAC-SHA256 Credential="+d.AccessKey+"/") || !strings.Contains(auth, scope):
		d.refuse(w, target, "IncompleteSignatureException", "signed for something else")
		return
	}
	out, err := c.do(body)
	var f *failure
	switch {
	case errors.As(err, &f) && f.strict:
		d.refuse(w, target, f.code, f.Error())
	case err != nil:
		code := "InternalServiceError"
		if f != nil {
			code = f.code
		}
		answer(w, http.StatusBadRequest, map[string]any{"__type": code, "message": err.Error()})
	default:
		w.Header().Set("Content-Type", c.protocol)
		answer(w, http.StatusOK, out)
	}
}

// refuse answers as the service would, and remembers it: a deployed function must not send such a request.
func (d *Doubles) refuse(w http.ResponseWriter, target, code, why string) {
	d.mu.Lock()
	d.wrong = append(d.wrong, fmt.Sprintf("%s: %s: %s", target, code, why))
	d.mu.Unlock()
	answer(w, http.StatusBadRequest, map[string]any{"__type": code, "message": why})
}

func answer(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		status, b = http.StatusInternalServerError, []byte(`{}`)
	}
	w.WriteHeader(status)
	_, _ = w.Write(b)
}

// failure is an error that the service names; a strict one must not happen.
type failure struct {
	code, text string
	strict     bool
}

func (f *failure) Error() string { return f.text }

// Named is an error that Start and Wake may give.
func Named(code string) error { return &failure{code: code, text: code} }

func invalid(format string, args ...any) error {
	return &failure{code: "ValidationException", text: fmt.Sprintf(format, args...), strict: true}
}

// read takes a request apart; a field that is not in v is an error.
func read(body []byte, v any) error {
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return invalid("%v", err)
	}
	return nil
}

// associated is what a data key is bound to.
func associated(context map[string]string) ([]byte, error) {
	if context["app"] != "vodlift" {
		return nil, &failure{code: "AccessDeniedException", text: "the roles' condition wants the encryption context app=vodlift", strict: true}
	}
	return json.Marshal(context) // sorted
}

func (d *Doubles) generateDataKey(body []byte) (any, error) {
	var in struct {
		KeyId, KeySpec    string
		NumberOfBytes     *int
		EncryptionContext map[string]string
	}
	if err := read(body, &in); err != nil {
		return nil, err
	}
	if in.KeyId != KeyARN || in.KeySpec != "AES_256" || in.NumberOfBytes != nil {
		return nil, invalid("want KeyId of the template and KeySpec AES_256")
	}
	bound, err := associated(in.EncryptionContext)
	if err != nil {
		return nil, err
	}
	secret := make([]byte, 32+d.master.NonceSize())
	if _, err := rand.Read(secret); err != nil {
		return nil, err
	}
	plain, nonce := secret[:32], secret[32:]
	blob := d.master.Seal(slices.Clone(nonce), nonce, plain, bound)
	return map[string]any{"KeyId": KeyARN, "Plaintext": plain, "CiphertextBlob": blob}, nil
}

func (d *Doubles) decrypt(body []byte) (any, error) {
	var in struct {
		KeyId, EncryptionAlgorithm string
		CiphertextBlob             []byte
		EncryptionContext          map[string]string
	}
	if err := read(body, &in); err != nil {
		return nil, err
	}
	bound, err := associated(in.EncryptionContext)
	if err != nil {
		return nil, err
	}
	n := d.master.NonceSize()
	if len(in.CiphertextBlob) < n || in.KeyId != "" && in.KeyId != KeyARN {
		return nil, &failure{code: "InvalidCiphertextException", text: "not made by this key"}
	}
	plain, err := d.master.Open(nil, in.CiphertextBlob[:n], in.CiphertextBlob[n:], bound)
	if err != nil {
		return nil, &failure{code: "InvalidCiphertextException", text: "not made by this key, or in another context"}
	}
	return map[string]any{"KeyId": KeyARN, "Plaintext": plain, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}, nil
}

func (d *Doubles) startExecution(body []byte) (any, error) {
	var in struct{ StateMachineArn, Name, Input string }
	if err := read(body, &in); err != nil {
		return nil, err
	}
	if in.StateMachineArn != MachineARN {
		return nil, invalid("another machine: %s", in.StateMachineArn)
	}
	if d.Start == nil {
		return nil, Named("StateMachineDoesNotExist")
	}
	arn, err := d.Start(in.Name, []byte(in.Input))
	return map[string]any{"executionArn": arn, "startDate": float64(time.Now().Unix())}, err
}

func (d *Doubles) sendTaskSuccess(body []byte) (any, error) {
	var in struct{ TaskToken, Output string }
	if err := read(body, &in); err != nil {
		return nil, err
	}
	if in.Output != "{}" {
		return nil, invalid("a wake carries {}, not %q", in.Output)
	}
	if d.Wake == nil {
		return nil, Named("TaskDoesNotExist")
	}
	return map[string]any{}, d.Wake(in.TaskToken, in.Output)
}

func (d *Doubles) putEvents(body []byte) (any, error) {
	var in struct {
		Entries []struct {
			EventBusName, Source, DetailType, Detail string
			Time                                     float64
		}
	}
	if err := read(body, &in); err != nil {
		return nil, err
	}
	var ids []map[string]string
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range in.Entries {
		if e.EventBusName != "default" || e.Source == "" || e.DetailType == "" || !json.Valid([]byte(e.Detail)) || e.Time == 0 {
			return nil, invalid("an entry lacks something, or its detail is no JSON")
		}
		d.sent = append(d.sent, Sent{e.EventBusName, e.Source, e.DetailType, e.Detail})
		ids = append(ids, map[string]string{"EventId": fmt.Sprintf("event-%d", len(d.sent))})
	}
	if len(ids) == 0 || len(ids) > 10 {
		return nil, invalid("%d entries", len(ids))
	}
	return map[string]any{"FailedEntryCount": 0, "Entries": ids}, nil
}

// NoObjects is a bucket with nothing in it.
func NoObjects(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("X-Amz-Request-Id", "NOTHING")
	if r.URL.Query().Has("list-type") {
		_, _ = io.WriteString(w, `<?xml version="1.0" encoding="UTF-8"?><ListBucketResult><Name>inbox</Name><Prefix></Prefix><KeyCount>0</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated></ListBucketResult>`)
		return
	}
	w.WriteHeader(http.StatusNotFound)
	if r.Method != http.MethodHead {
		_, _ = io.WriteString(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message></Error>`)
	}
}
