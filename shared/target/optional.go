package target

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/vodlift/vodlift/shared/upload"
)

// Adviser is optional: what the platform advises about v and does not enforce, one sentence each, for people: the timeline
// and dry runs show it, nothing is refused. It is pure.
type Adviser interface {
	Advise(v upload.Video) []string
}

// Advice is what can be said of v whatever the platform: that it was not checked, is no MP4, or carries its index at the
// end. An Adviser begins with it.
func Advice(v upload.Video) []string {
	var out []string
	switch v.Container {
	case "mp4", "mov", "3gp", "":
	default:
		out = append(out, fmt.Sprintf("This is no MP4 but %s; the platform has to convert it.", strings.ToUpper(v.Container)))
	}
	if v.Unchecked != "" {
		out = append(out, "Length and picture were not checked: "+v.Unchecked+".")
	}
	if v.IndexAtEnd {
		out = append(out, "The MP4's index stands at its end; players that load it directly have to fetch the end first (a faststart file has it in front).")
	}
	return out
}

// Pace is how fast an account may post.
type Pace struct {
	PerDay int            // posts; 0 = not known
	Zone   *time.Location // whose midnight begins a day
}

// Pacer is optional: the platform's own bound on an account's posts, so that it is not run into. It is pure.
type Pacer interface {
	Pace() Pace
}

// VideoLink makes an https address from which anybody can fetch the video's bytes for at least life, with the video's
// content type. It is signed, hence a secret.
type VideoLink func(ctx context.Context, life time.Duration) (string, error)

// Handed is a publication in a person's hands.
type Handed struct {
	// Link is what the person opens on the phone, or scans as a QR code. It holds signatures: show it to who may publish
	// for the account, store it sealed or not at all, never log it.
	Link string
	// ShareID comes back in the platform's callback when the person has published. Not secret; one per Handover.
	ShareID string
	// Expires is when Link stops to work; then Handover is called again.
	Expires time.Time
}

// String hides the link.
func (h Handed) String() string { return "handed over until " + h.Expires.UTC().Format(time.RFC3339) }

// GoString hides the same.
func (h Handed) GoString() string { return h.String() }

// Handoverer is optional: where the app may not publish (ErrCapability), a link with which the account's owner does it by
// hand on the phone.
type Handoverer interface {
	// Handover publishes nothing and needs neither session nor asset; it may be repeated, and each call's link works: link
	// the ShareID to the upload before the link is shown to anybody, and keep earlier ones linked. What cannot be handed
	// over (too large, of another kind) is Invalid. Where the app may not do even this: ErrCapability.
	Handover(ctx context.Context, v upload.Video, video VideoLink) (Handed, error)
}
