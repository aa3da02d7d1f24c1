package rig

import (
	"bytes"
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	ebtypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
)

// clients are AWS's own, pointed at doubles.
func clients(t *testing.T, region string) (*Doubles, *kms.Client, *sfn.Client, *eventbridge.Client) {
	t.Helper()
	d, err := NewDoubles()
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(d)
	t.Cleanup(s.Close)
	cfg := aws.Config{Region: region, BaseEndpoint: &s.URL, Credentials: credentials.NewStaticCredentialsProvider(AccessKey, SecretKey, ""),
		Retryer: func() aws.Retryer { return aws.NopRetryer{} }}
	return d, kms.NewFromConfig(cfg), sfn.NewFromConfig(cfg), eventbridge.NewFromConfig(cfg)
}

var context1 = map[string]string{"app": "vodlift"}

func TestTheDoublesTakeWhatTheRolesAllow(t *testing.T) {
	d, k, s, e := clients(t, Region)
	d.Start = func(name string, input []byte) (string, error) { return "arn:" + name + string(input), nil }
	d.Wake = func(token, _ string) error { return Named("TaskTimedOut") }
	key, err := k.GenerateDataKey(t.Context(), &kms.GenerateDataKeyInput{KeyId: aws.String(KeyARN), KeySpec: "AES_256", EncryptionContext: context1})
	if err != nil {
		t.Fatal(err)
	}
	open, err := k.Decrypt(t.Context(), &kms.DecryptInput{KeyId: aws.String(KeyARN), CiphertextBlob: key.CiphertextBlob, EncryptionContext: context1})
	if err != nil || !bytes.Equal(open.Plaintext, key.Plaintext) || len(open.Plaintext) != 32 {
		t.Errorf("got %d bytes, %v", len(open.Plaintext), err)
	}
	x, err := s.StartExecution(t.Context(), &sfn.StartExecutionInput{StateMachineArn: aws.String(MachineARN), Name: aws.String("a"), Input: aws.String("{}")})
	if err != nil || *x.ExecutionArn != "arn:a{}" {
		t.Errorf("%v", err)
	}
	if _, err := s.SendTaskSuccess(t.Context(), &sfn.SendTaskSuccessInput{TaskToken: aws.String("t"), Output: aws.String("{}")}); err == nil || !strings.Contains(err.Error(), "TaskTimedOut") {
		t.Errorf("%v", err)
	}
	if _, err := e.PutEvents(t.Context(), &eventbridge.PutEventsInput{Entries: []ebtypes.PutEventsRequestEntry{{
		EventBusName: aws.String("default"), Source: aws.String("vodlift"), DetailType: aws.String("upload.published"), Detail: aws.String("{}"), Time: aws.Time(time.Unix(1_795_000_000, 0)),
	}}}); err != nil || len(d.Events()) != 1 || d.Events()[0].Type != "upload.published" {
		t.Errorf("%v, %v", err, d.Events())
	}
	if w := d.Wrong(); len(w) > 0 {
		t.Errorf("refused: %v", w)
	}
}

func TestTheDoublesRefuseWhatAWSWould(t *testing.T) {
	put := func(ctx context.Context, e *eventbridge.Client, detail string) error {
		_, err := e.PutEvents(ctx, &eventbridge.PutEventsInput{Entries: []ebtypes.PutEventsRequestEntry{{Source: aws.String("vodlift"), DetailType: aws.String("x"), Detail: &detail}}})
		return err
	}
	for fault, call := range map[string]func(*testing.T) (*Doubles, error){
		"a call that no role allows": func(t *testing.T) (*Doubles, error) {
			d, k, _, _ := clients(t, Region)
			_, err := k.ListKeys(t.Context(), &kms.ListKeysInput{})
			return d, err
		},
		"another region": func(t *testing.T) (*Doubles, error) {
			d, k, _, _ := clients(t, "us-west-2")
			_, err := k.GenerateDataKey(t.Context(), &kms.GenerateDataKeyInput{KeyId: aws.String(KeyARN), KeySpec: "AES_256", EncryptionContext: context1})
			return d, err
		},
		"no encryption context": func(t *testing.T) (*Doubles, error) {
			d, k, _, _ := clients(t, Region)
			_, err := k.GenerateDataKey(t.Context(), &kms.GenerateDataKeyInput{KeyId: aws.String(KeyARN), KeySpec: "AES_256"})
			return d, err
		},
		"another key": func(t *testing.T) (*Doubles, error) {
			d, k, _, _ := clients(t, Region)
			_, err := k.GenerateDataKey(t.Context(), &kms.GenerateDataKeyInput{KeyId: aws.String("alias/other"), KeySpec: "AES_256", EncryptionContext: context1})
			return d, err
		},
		"another machine": func(t *testing.T) (*Doubles, error) {
			d, _, s, _ := clients(t, Region)
			_, err := s.StartExecution(t.Context(), &sfn.StartExecutionInput{StateMachineArn: aws.String(MachineARN + "2"), Name: aws.String("a"), Input: aws.String("{}")})
			return d, err
		},
		"a wake that carries something": func(t *testing.T) (*Doubles, error) {
			d, _, s, _ := clients(t, Region)
			_, err := s.SendTaskSuccess(t.Context(), &sfn.SendTaskSuccessInput{TaskToken: aws.String("t"), Output: aws.String(`{"a":1}`)})
			return d, err
		},
		"an event for another bus": func(t *testing.T) (*Doubles, error) {
			d, _, _, e := clients(t, Region)
			return d, put(t.Context(), e, "{}")
		},
	} {
		if d, err := call(t); err == nil || len(d.Wrong()) != 1 {
			t.Errorf("%s: %v, %v", fault, err, d.Wrong())
		}
	}
}
