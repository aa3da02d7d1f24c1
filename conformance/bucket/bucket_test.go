package bucket

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vodlift/vodlift/local/sample"
	"github.com/vodlift/vodlift/local/stack"
	"github.com/vodlift/vodlift/shared/upload"
)

// client is a program that can put a file into a bucket.
type client struct {
	name, program string
	put           func(file, key string) []string // its arguments
}

func program(t *testing.T, variable string) string {
	t.Helper()
	p := os.Getenv(variable)
	if p == "" {
		t.Skipf("NOT RUN: %s is not set; conformance/run.sh installs the client and sets it", variable)
	}
	return p
}

func TestADropByAForeignClientIsPublishedOnce(t *testing.T) {
	clients := []client{
		{"aws s3 cp", "VODLIFT_AWS", func(file, key string) []string {
			return []string{"s3", "cp", "--only-show-errors", file, "s3://" + stack.Inbox + "/" + key}
		}},
		{"aws s3api put-object", "VODLIFT_AWS", func(file, key string) []string {
			return []string{"s3api", "put-object", "--bucket", stack.Inbox, "--key", key, "--body", file}
		}},
		{"rclone copyto", "VODLIFT_RCLONE", func(file, key string) []string {
			return []string{"copyto", "--s3-no-check-bucket", "--retries", "1", file, "inbox:" + stack.Inbox + "/" + key}
		}},
		{"rclone copyto in chunks", "VODLIFT_RCLONE", func(file, key string) []string {
			return []string{"copyto", "--s3-no-check-bucket", "--retries", "1", "--s3-upload-cutoff", "5Mi", "--s3-chunk-size", "5Mi", file, "inbox:" + stack.Inbox + "/" + key}
		}},
	}
	for _, c := range clients {
		program(t, c.program)
	}
	s, err := stack.Open(t.Context(), stack.Options{Dir: t.TempDir(), Kind: stack.Demo})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	for i, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			key := "from a client/" + strings.ReplaceAll(c.name, " ", "+") + " 黎明.mp4"
			var video bytes.Buffer
			if _, err := sample.WriteSeed(&video, uint64(100+i), 11<<20); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), "video.mp4")
			if err := os.WriteFile(file, video.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			before := len(s.Douyin.Effects().Posts)
			run(t, s, c, file, key)
			// The same file once more: the same source, and no second post.
			defer func() {
				run(t, s, c, file, key)
				time.Sleep(2 * time.Second) // its event has come, and the sweep has run
				if n := len(s.Douyin.Effects().Posts); n != before+1 {
					t.Errorf("%d posts after a second drop of the same file", n-before)
				}
			}()
			published(t, s, key)
			posts := s.Douyin.Effects().Posts
			sum := sha256.Sum256(video.Bytes())
			if len(posts) != before+1 || posts[len(posts)-1].SHA256 != hex.EncodeToString(sum[:]) {
				t.Errorf("%d posts, the last %+v", len(posts)-before, posts[len(posts)-1])
			}
		})
	}
}

// run runs a client with the keys of the data folder and nothing of this machine's own settings.
func run(t *testing.T, s *stack.Stack, c client, file, key string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program(t, c.program), c.put(file, key)...)
	place, err := url.Parse(s.Running.Bucket)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "LANG=C.UTF-8", "LC_ALL=C.UTF-8", "PYTHONDONTWRITEBYTECODE=1",
		"AWS_ENDPOINT_URL=" + place.String(), "AWS_DEFAULT_REGION=" + s.Running.Region, "AWS_ACCESS_KEY_ID=" + s.Identity.BucketAccess,
		"AWS_SECRET_ACCESS_KEY=" + s.Identity.BucketSecret, "AWS_EC2_METADATA_DISABLED=true",
		"RCLONE_CONFIG=/dev/null", "RCLONE_CONFIG_INBOX_TYPE=s3", "RCLONE_CONFIG_INBOX_PROVIDER=Other", "RCLONE_CONFIG_INBOX_ENDPOINT=" + place.String(),
		"RCLONE_CONFIG_INBOX_REGION=" + s.Running.Region, "RCLONE_CONFIG_INBOX_ENV_AUTH=true", "RCLONE_CONFIG_INBOX_FORCE_PATH_STYLE=true"}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%.4000s", c.name, err, out)
	}
}

// published waits until the upload of an object has ended, and wants it published.
func published(t *testing.T, s *stack.Stack, key string) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(200 * time.Millisecond) {
		id, err := s.Ledger.ByObject(t.Context(), stack.Inbox, key)
		if err != nil {
			t.Fatal(err)
		}
		if id != "" {
			p, err := s.Ledger.Publication(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			us, err := s.Ledger.Uploads(t.Context(), p.Uploads)
			if err != nil {
				t.Fatal(err)
			}
			if len(us) == 1 && us[0].Status.Terminal() && us[0].Settled {
				if us[0].Status != upload.Published {
					t.Fatalf("%s is %s(%s)", key, us[0].Status, us[0].Reason)
				}
				return
			}
		}
		if time.Now().After(end) {
			t.Fatalf("%s does not end", key)
		}
	}
}
