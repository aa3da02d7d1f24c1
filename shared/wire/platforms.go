package wire

import (
	"context"
	"regexp"
	"time"

	"github.com/vodlift/vodlift/shared/console"
	"github.com/vodlift/vodlift/shared/target/alivod"
	"github.com/vodlift/vodlift/shared/target/douyin"
	"github.com/vodlift/vodlift/shared/target/douyinweb"
	"github.com/vodlift/vodlift/shared/target/youku"
	"github.com/vodlift/vodlift/shared/token"
)

// platforms is what the console knows of each. loopback allows redirect addresses that only fakes take.
func platforms(e Engines, loopback bool) map[string]console.Platform {
	return map[string]console.Platform{
		"douyin": {
			Base: orText(e.Douyin.BaseURL, douyin.DefaultBase), NeedSecret: true, CallbackKey: DouyinKey,
			Login: douyinLogin{douyin.NewLogin(e.Douyin, e.HTTP, &douyin.Options{Now: e.Now}), e.Douyin, loopback},
			Lacks: func(scopes []string) []console.Lack {
				var out []console.Lack
				for _, l := range douyin.Lacks(e.Douyin, scopes) {
					out = append(out, console.Lack(l))
				}
				return out
			},
			Validator: douyin.New(e.Douyin, e.HTTP, nil, nil), Rehearsal: e.Douyin,
		},
		"youku": {
			Base: orText(e.Youku.BaseURL, youku.DefaultBase), Parse: youku.ParseLogin, Wants: youku.LoginWants,
			Validator: youku.New(e.Youku, e.HTTP, nil, nil, &youku.Options{Now: e.Now}),
		},
		"alivod": {
			Base: orText(e.VOD.BaseURL, "https://vod.cn-shanghai.aliyuncs.com"), AppOptional: true, NeedSecret: true, Wants: alivodWants,
			Parse:       func(raw []byte, _ time.Time) (token.Token, error) { return alivod.ParseLogin(raw) },
			CallbackKey: VODCallbackKey, CallbackURL: true,
			Try: func(ctx context.Context, app token.AppKey, t token.Token) (token.Token, error) {
				if t.Refresh == "" {
					return t, nil // a RAM key is tried by the first upload
				}
				_, err := alivod.NewRefresher(e.VOD, e.HTTP, &alivod.Options{Now: e.Now}).Refresh(ctx, app, t)
				return t, err
			},
			Validator: alivod.New(e.VOD, e.HTTP, nil, &alivod.Options{Now: e.Now}),
		},
		"douyinweb": {
			Base: orText(e.Web.CreatorURL, "https://media.douyin.com"), NoApp: true, Parse: douyinweb.ParseCookies, Wants: "the cookies of your session, as cookies.txt or a JSON export",
			Try: func(ctx context.Context, app token.AppKey, t token.Token) (token.Token, error) {
				return douyinweb.NewRefresher(e.Web, e.HTTP, &douyinweb.Options{Now: e.Now}).Refresh(ctx, app, t)
			},
			Validator: douyinweb.New(e.Web, e.HTTP, nil, &douyinweb.Options{Now: e.Now}),
		},
	}
}

const alivodWants = `JSON {"access_key_id": "...", "access_key_secret": "..."}, or {"role_arn": "..."} of a role that the app's key may take`

// records are the sealed records beside the apps of platforms that an operator may set.
func records() []console.Record {
	return []console.Record{
		{Name: regexp.MustCompile("^" + WatchPasswordPrefix + "[a-z0-9][a-z0-9-]{0,31}$"), NeedSecret: true},
		{Name: regexp.MustCompile(`^(vod-callback|douyin|forward)-next$|^vod-callback$|^forward$|^oss$`), NeedSecret: true},
	}
}

// douyinLogin is Douyin's page as the console wants it.
type douyinLogin struct {
	*douyin.Login
	cfg      douyin.Config
	loopback bool
}

func (l douyinLogin) Scopes() []string { return douyin.Scopes(l.cfg) }

func (l douyinLogin) CheckRedirect(redirect string) error {
	return douyin.CheckRedirect(redirect, l.loopback)
}

func orText(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
