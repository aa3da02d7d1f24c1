package main

import (
	"context"
	"flag"
	"fmt"
	"net/url"

	"github.com/vodlift/vodlift/shared/console"
)

func handoverCommand() command {
	return command{
		name: "handover", args: "ID", short: "the link with which a person publishes what the app may not",
		long: `
For an upload that is HELD(hand-over): the app was not granted the ability to publish, and the account is set up to hand
such videos to a person. Prints the link that the account's user opens on the phone. Who has it publishes as that user:
give it to nobody else. It works for about an hour; run the command again for a new one. When the post is made, the
platform says so, and the upload is PUBLISHED by itself.`,
		setup: func(m *Main, fs *flag.FlagSet) func(context.Context, []string) error {
			data := dataFlag(fs)
			return func(ctx context.Context, args []string) error {
				if len(args) != 1 {
					return usagef("want one ID, got %d arguments", len(args))
				}
				return m.handover(ctx, *data, args[0])
			}
		},
	}
}

func (m *Main) handover(ctx context.Context, data, id string) error {
	c, err := m.connected(ctx, data)
	if err != nil {
		return err
	}
	defer c.close()
	uploadID, err := c.oneUpload(ctx, id)
	if err != nil {
		return err
	}
	var h console.HandoverLink
	if err := c.post(ctx, "/api/uploads/"+url.PathEscape(uploadID)+"/link", struct{}{}, &h); err != nil {
		return err
	}
	fmt.Fprintf(m.Stdout, "%sopen this on the phone of the account's user, until %s:\n\n%s\n", c.mark(), m.day(h.Expires), shown(h.Link))
	return nil
}
