package token

import (
	"context"
	"testing"
	"time"

	"github.com/vodlift/vodlift/shared/upload"
)

// RenewAt and RotateAt tell tests the thresholds of a stored record.
func RenewAt(t *testing.T, v *Vault, a upload.Account) time.Time {
	return stored(t, v, a).renewAt(a)
}

// RotateAt is that of the refresh token.
func RotateAt(t *testing.T, v *Vault, a upload.Account) time.Time {
	return stored(t, v, a).rotateAt(a)
}

func stored(t *testing.T, v *Vault, a upload.Account) record {
	t.Helper()
	r, err := readRecord(context.Background(), v.table, tokenKey(a))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// SubjectPart is where the accounts of a user stand in the index.
func SubjectPart(target, subject string) string { return subjectPart(target, subject) }
