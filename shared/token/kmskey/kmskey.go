// Package kmskey fetches data keys for token.Sealer from AWS KMS (API 2014-11-01), so that no key is at rest in the
// clear. It hides the SDK's types and knows nothing of what is sealed.
//
// IAM actions: kms:GenerateDataKey and kms:Decrypt on the one key, best with a condition on the encryption context. A
// data key is used for a few minutes, so a thousand records do not cost a thousand requests; which record a ciphertext
// belongs to is bound by the Sealer, not by the encryption context.
package kmskey

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/token"
)

// Client is what is used of *kms.Client. Its own retries should be off, or few: they count as retries (house-style 3.4).
type Client interface {
	GenerateDataKey(context.Context, *kms.GenerateDataKeyInput, ...func(*kms.Options)) (*kms.GenerateDataKeyOutput, error)
	Decrypt(context.Context, *kms.DecryptInput, ...func(*kms.Options)) (*kms.DecryptOutput, error)
}

// Options may be nil.
type Options struct {
	// Older are ARNs of keys that no longer seal but still open. Only asked for where the key is given by its ARN: an alias
	// may point to any key, and IAM says which ones open.
	Older []string
	// KeepFor is how long a data key is used for sealing, and kept for opening; default 5 minutes.
	KeepFor time.Duration
	// MaxKept bounds how many keys are kept for opening; default 1,000.
	MaxKept int
	// Now defaults to time.Now.
	Now func() time.Time
}

// Keys is a token.KeyProvider over one KMS key. Safe for concurrent use.
type Keys struct {
	client  Client
	keyID   string
	context map[string]string
	o       Options

	sealing sync.Mutex // one GenerateDataKey at a time
	newest  token.DataKey
	until   time.Time

	mu   sync.Mutex
	kept map[[sha256.Size]byte]kept
}

type kept struct {
	key   []byte
	until time.Time
}

var _ token.KeyProvider = (*Keys)(nil)

// New makes a provider. keyID is the ARN or alias of the KMS key; encryption is its encryption context, the same for
// ever, for example {"vodlift": "<stack>"}: what was sealed under another context does not open.
func New(client Client, keyID string, encryption map[string]string, o *Options) *Keys {
	k := &Keys{client: client, keyID: keyID, context: maps.Clone(encryption), kept: map[[sha256.Size]byte]kept{}}
	if o != nil {
		k.o = *o
	}
	if k.o.KeepFor <= 0 {
		k.o.KeepFor = 5 * time.Minute
	}
	if k.o.MaxKept <= 0 {
		k.o.MaxKept = 1000
	}
	if k.o.Now == nil {
		k.o.Now = time.Now
	}
	return k
}

// Newest gives a data key that is at most KeepFor old.
func (k *Keys) Newest(ctx context.Context) (token.DataKey, error) {
	const op = "kmskey.Newest"
	k.sealing.Lock()
	defer k.sealing.Unlock()
	now := k.o.Now()
	if k.newest.Key != nil && now.Before(k.until) && !now.Before(k.until.Add(-k.o.KeepFor)) {
		return k.newest, nil
	}
	out, err := k.client.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: &k.keyID, KeySpec: types.DataKeySpecAes256, EncryptionContext: k.context})
	if err != nil {
		return token.DataKey{}, classify(op, err)
	}
	if out.KeyId == nil || len(out.Plaintext) != token.KeyBytes || len(out.CiphertextBlob) == 0 {
		return token.DataKey{}, fault.New(fault.Retryable, op, "KMS answered without a usable data key")
	}
	k.newest = token.DataKey{ID: *out.KeyId, Wrapped: out.CiphertextBlob, Key: out.Plaintext}
	k.until = now.Add(k.o.KeepFor)
	k.keep(k.newest.ID, k.newest.Wrapped, k.newest.Key)
	return k.newest, nil
}

// Find has KMS decrypt a data key, or remembers it. id must be one of our keys, so that nobody who can write to the
// database can have us open what he sealed under a key of his own.
func (k *Keys) Find(ctx context.Context, id string, wrapped []byte) ([]byte, error) {
	const op = "kmskey.Find"
	if !k.ours(id) {
		return nil, fault.Newf(fault.Permanent, op, "%w: it was sealed under another KMS key", token.ErrNotOpened)
	}
	if key := k.remember(id, wrapped); key != nil {
		return key, nil
	}
	out, err := k.client.Decrypt(ctx, &kms.DecryptInput{KeyId: &id, CiphertextBlob: wrapped, EncryptionContext: k.context})
	if err != nil {
		return nil, classify(op, err)
	}
	if len(out.Plaintext) != token.KeyBytes {
		return nil, fault.Newf(fault.Permanent, op, "%w: its data key has the wrong length", token.ErrNotOpened)
	}
	k.keep(id, wrapped, out.Plaintext)
	return out.Plaintext, nil
}

// ours: an ARN of a key is compared; behind an alias only IAM knows.
func (k *Keys) ours(id string) bool {
	return id == k.keyID || slices.Contains(k.o.Older, id) || !strings.Contains(k.keyID, ":key/")
}

func place(id string, wrapped []byte) [sha256.Size]byte {
	return sha256.Sum256(fmt.Appendf(nil, "%d:%s%s", len(id), id, wrapped))
}

func (k *Keys) remember(id string, wrapped []byte) []byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	if e, ok := k.kept[place(id, wrapped)]; ok && k.o.Now().Before(e.until) {
		return e.key
	}
	return nil
}

func (k *Keys) keep(id string, wrapped, key []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.o.Now()
	if len(k.kept) >= k.o.MaxKept {
		maps.DeleteFunc(k.kept, func(_ [sha256.Size]byte, e kept) bool { return !now.Before(e.until) })
	}
	for p := range k.kept {
		if len(k.kept) < k.o.MaxKept {
			break
		}
		delete(k.kept, p)
	}
	k.kept[place(id, wrapped)] = kept{key: key, until: now.Add(k.o.KeepFor)}
}

// classify sorts KMS's errors by their code. Both calls change nothing, so a lost answer is Retryable.
func classify(op string, err error) error {
	f := &fault.Error{Kind: fault.Retryable, Op: op, Effect: fault.EffectNone, Err: err}
	var coded interface{ ErrorCode() string }
	if !errors.As(err, &coded) {
		return f
	}
	f.Code = coded.ErrorCode()
	switch f.Code {
	case "InvalidCiphertextException", "IncorrectKeyException":
		f.Kind, f.Err = fault.Permanent, fmt.Errorf("%w: %w", token.ErrNotOpened, err)
	case "AccessDeniedException", "DisabledException", "NotFoundException", "KMSInvalidStateException", "InvalidKeyUsageException",
		"InvalidGrantTokenException", "UnrecognizedClientException", "InvalidSignatureException", "ValidationException":
		f.Kind, f.Actor, f.Action = fault.Permanent, fault.ActorOperator, "look at the KMS key, its policy and the function's role"
	}
	return f
}
