package appserver

import (
	"context"
	"strings"

	"github.com/vodlift/vodlift/shared/appserver/users"
)

// loginData has the token that the seed promises, and, since every later call wants the user's id, who that is.
type loginData struct {
	Token     string `json:"token"`
	UserID    string `json:"userId"`
	NickName  string `json:"nickName"`
	Avatar    string `json:"avatar"`
	AvatarURL string `json:"avatarUrl"`
}

// credentials reads name and password. The demo server calls the name userName, the seed username.
func (in *input) credentials() (name, password string) {
	name, password = in.secret("username"), in.secret("password")
	if other := in.secret("userName"); name == "" {
		name = other
	}
	if in.err == nil && (strings.TrimSpace(name) == "" || password == "") {
		in.err = refuse(codeLogin, "username and password are required")
	}
	return name, password
}

func (a *API) login(ctx context.Context, who *caller) (any, error) {
	name, password := who.in.credentials()
	if who.in.err != nil {
		return nil, who.in.err
	}
	s, err := a.p.Users.Login(ctx, name, password, who.from)
	if err != nil {
		return nil, err
	}
	return loginData{Token: s.Token, UserID: s.User.ID, NickName: s.User.Nickname, Avatar: s.User.Avatar, AvatarURL: s.User.Avatar}, nil
}

func (a *API) register(ctx context.Context, who *caller) (any, error) {
	name, password := who.in.credentials()
	if who.in.err != nil {
		return nil, who.in.err
	}
	if _, err := a.p.Users.Register(ctx, name, password, who.from); err != nil {
		return nil, err
	}
	return nothing{}, nil
}

func (a *API) updateUser(ctx context.Context, who *caller) (any, error) {
	id, nickname := who.in.must("userId", maxID), who.in.must("nickname", maxNickname)
	if who.in.err != nil {
		return nil, who.in.err
	}
	if err := self(who, id); err != nil {
		return nil, err
	}
	if err := a.p.Users.Rename(ctx, who.user.ID, nickname); err != nil {
		return nil, err
	}
	return nothing{}, nil
}

// maxNickname bounds what is looked at; users has the rule.
const maxNickname = 512

// self refuses an id that is not the caller's own, whether it exists or not.
func self(who *caller, id string) error {
	if id != who.user.ID {
		return refuse(codeForbidden, "the userId is not that of the token")
	}
	return nil
}

// randomData has both spellings of the picture: the table says avatar, the demo server sends avatarUrl.
type randomData struct {
	ID          string `json:"id"`
	UserID      string `json:"userId"`
	Token       string `json:"token"`
	NickName    string `json:"nickName"`
	Avatar      string `json:"avatar"`
	AvatarURL   string `json:"avatarUrl"`
	GmtCreate   string `json:"gmtCreate"`
	GmtModified string `json:"gmtModified"`
}

func (a *API) randomUser(ctx context.Context, who *caller) (any, error) {
	s, err := a.p.Users.Random(ctx, who.from)
	if err != nil {
		return nil, err
	}
	return randomOf(s), nil
}

func randomOf(s users.Session) randomData {
	u := s.User
	modified := date(u.Modified)
	if u.Modified.Equal(u.Created) {
		modified = "" // as the seed's example of a new user
	}
	return randomData{ID: u.ID, UserID: u.ID, Token: s.Token, NickName: u.Nickname, Avatar: u.Avatar, AvatarURL: u.Avatar,
		GmtCreate: date(u.Created), GmtModified: modified}
}
