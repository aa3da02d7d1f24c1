package kmskey_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/token/kmskey"
)

const (
	arn   = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	older = "arn:aws:kms:eu-central-1:111122223333:key/00000000-12ab-34cd-56ef-1234567890ab"
)

// fakeKMS answers GenerateDataKey and Decrypt over HTTP, as the JSON 1.1 protocol has them. A wrapped key is an index
// into what it made; key and encryption context must be those it was made with.
type fakeKMS struct {
	mu    sync.Mutex
	made  []record
	calls map[string]int
	fail  string // error code to answer with
	code  int
}

type record struct {
	KeyID   string
	Context map[string]string
	Key     []byte
}

type request struct {
	KeyId             string
	KeySpec           string
	CiphertextBlob    []byte
	EncryptionContext map[string]string
}

func (f *fakeKMS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, op, _ := strings.Cut(r.Header.Get("X-Amz-Target"), "TrentService.")
	f.calls[op]++
	var in request
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		f.refuse(w, 400, "SerializationException")
		return
	}
	switch {
	case f.fail != "":
		f.refuse(w, f.code, f.fail)
	case op == "GenerateDataKey" && in.KeySpec == "AES_256":
		key := make([]byte, 32)
		_, _ = rand.Read(key)
		id := in.KeyId
		if strings.HasPrefix(id, "alias/") {
			id = arn
		}
		f.made = append(f.made, record{id, in.EncryptionContext, key})
		f.answer(w, map[string]any{"KeyId": id, "Plaintext": key, "CiphertextBlob": []byte{byte(len(f.made) - 1), 0xAB}})
	case op == "Decrypt":
		if len(in.CiphertextBlob) != 2 || int(in.CiphertextBlob[0]) >= len(f.made) {
			f.refuse(w, 400, "InvalidCiphertextException")
			return
		}
		m := f.made[in.CiphertextBlob[0]]
		if m.KeyID != in.KeyId {
			f.refuse(w, 400, "IncorrectKeyException")
			return
		}
		if a, b := mustJSON(m.Context), mustJSON(in.EncryptionContext); !bytes.Equal(a, b) {
			f.refuse(w, 400, "InvalidCiphertextException")
			return
		}
		f.answer(w, map[string]any{"KeyId": m.KeyID, "Plaintext": m.Key})
	default:
		f.refuse(w, 400, "ValidationException")
	}
}

func mustJSON(v any) []byte { b, _ := json.Marshal(v); return b }

func (f *fakeKMS) answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	_, _ = w.Write(mustJSON(v))
}

func (f *fakeKMS) refuse(w http.ResponseWriter, code int, name string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.WriteHeader(code)
	_, _ = w.Write(mustJSON(map[string]string{"__type": name, "message": "no"}))
}

func start(t *testing.T) (*fakeKMS, *kms.Client) {
	t.Helper()
	f := &fakeKMS{calls: map[string]int{}}
	srv := httptest.NewServer(f)
	t.Cleanup(srv.Close)
	return f, kms.New(kms.Options{Region: "eu-central-1", BaseEndpoint: aws.String(srv.URL), HTTPClient: srv.Client(), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "example", "")})
}

var stack = map[string]string{"vodlift": "test"}

func TestSealedUnderKMSOpensInAnotherProcess(t *testing.T) {
	f, client := start(t)
	sealed, err := token.NewSealer(kmskey.New(client, arn, stack, nil), nil).Seal(t.Context(), []byte("secret"), []byte("ad"))
	if err != nil {
		t.Fatal(err)
	}
	other := token.NewSealer(kmskey.New(client, arn, stack, nil), nil)
	for range 3 {
		if plain, err := other.Open(t.Context(), sealed, []byte("ad")); err != nil || string(plain) != "secret" {
			t.Fatalf("got %q, %v", plain, err)
		}
	}
	if f.calls["GenerateDataKey"] != 1 || f.calls["Decrypt"] != 1 {
		t.Errorf("got calls %v, want one of each", f.calls)
	}
	if id, ok := token.KeyID(sealed); !ok || id != arn {
		t.Errorf("got key id %q", id)
	}
}

func TestADataKeySealsForMinutesAndNoLonger(t *testing.T) {
	f, client := start(t)
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	k := kmskey.New(client, arn, stack, &kmskey.Options{Now: func() time.Time { return now }})
	first, _ := k.Newest(t.Context())
	for _, c := range []struct {
		after time.Duration
		calls int
	}{{5*time.Minute - 1, 1}, {1, 2}, {-time.Hour, 3}} { // a clock that jumps back does not keep a key alive
		now = now.Add(c.after)
		if _, err := k.Newest(t.Context()); err != nil || f.calls["GenerateDataKey"] != c.calls {
			t.Errorf("after %v: got %d calls, %v; want %d", c.after, f.calls["GenerateDataKey"], err, c.calls)
		}
	}
	now = now.Add(3 * time.Hour)
	if _, err := k.Find(t.Context(), first.ID, first.Wrapped); err != nil || f.calls["Decrypt"] != 1 {
		t.Errorf("an opened key is forgotten too: got %d calls, %v", f.calls["Decrypt"], err)
	}
}

func TestWhatIsNotOursDoesNotOpen(t *testing.T) {
	_, client := start(t)
	k, err := kmskey.New(client, older, stack, nil).Newest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		keyID   string
		context map[string]string
		o       *kmskey.Options
		id      string
		wrapped []byte
		opens   bool
	}{
		"an older key that is named":      {arn, stack, &kmskey.Options{Older: []string{older}}, older, k.Wrapped, true},
		"an older key that is not":        {arn, stack, nil, older, k.Wrapped, false},
		"any key that IAM lets us, alias": {"alias/vodlift", stack, nil, older, k.Wrapped, true},
		"another encryption context":      {older, map[string]string{"vodlift": "prod"}, nil, older, k.Wrapped, false},
		"another key's wrapped key":       {arn, stack, nil, arn, k.Wrapped, false},
		"a changed wrapped key":           {older, stack, nil, older, []byte("xx"), false},
	} {
		_, err := kmskey.New(client, c.keyID, c.context, c.o).Find(t.Context(), c.id, c.wrapped)
		if (err == nil) != c.opens {
			t.Errorf("%s: got %v", name, err)
		}
		if err != nil && (!errors.Is(err, token.ErrNotOpened) || fault.KindOf(err) != fault.Permanent) {
			t.Errorf("%s: got %v, want Permanent ErrNotOpened", name, err)
		}
	}
}

func TestErrorsOfKMSAreClassified(t *testing.T) {
	f, client := start(t)
	k := kmskey.New(client, "alias/vodlift", stack, nil)
	for code, c := range map[string]struct {
		status int
		want   fault.Kind
	}{
		"ThrottlingException":     {400, fault.Retryable},
		"KMSInternalException":    {500, fault.Retryable},
		"KeyUnavailableException": {500, fault.Retryable},
		"AccessDeniedException":   {400, fault.Permanent},
		"DisabledException":       {400, fault.Permanent},
		"NotFoundException":       {400, fault.Permanent},
	} {
		f.fail, f.code = code, c.status
		if _, err := k.Newest(t.Context()); fault.KindOf(err) != c.want || fault.As(err).Code != code {
			t.Errorf("%s: got %v, want %v", code, err, c.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := k.Newest(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
}

func TestManyKeysAreKeptWithinABound(t *testing.T) {
	f, client := start(t)
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	k := kmskey.New(client, arn, stack, &kmskey.Options{Now: func() time.Time { return now }, MaxKept: 4})
	var all []token.DataKey
	for range 10 {
		d, err := k.Newest(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, d)
		now = now.Add(5 * time.Minute)
	}
	for _, d := range all {
		if got, err := k.Find(t.Context(), d.ID, d.Wrapped); err != nil || !bytes.Equal(got, d.Key) {
			t.Fatalf("got another key, or %v", err)
		}
	}
	if f.calls["Decrypt"] == 0 {
		t.Error("nothing was asked again, so nothing was forgotten")
	}
}
