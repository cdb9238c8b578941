package notify

import songspy "github.com/songspy/songspy/songspy-domain"

// phrase is what is said in one language.
type phrase struct{ subject, text string }

// bilingual is what is said in both.
type bilingual struct{ korean, english phrase }

// words are what is said of each kind. {count} and {users} are the people whom
// it is about, {app} is the app, {since} when the state was first seen, {end} the
// end of a consent, {page} where people link Spotify, {door} which door is closed.
var texts = map[songspy.NotificationKind]bilingual{
	songspy.NotificationRelinkSoon: {
		phrase{
			"{end}까지 Spotify를 다시 연결해 주세요",
			"Spotify 연결 동의는 6개월 동안만 유효해서, 회원님의 동의는 {end}에 끝납니다. 그 전에 다시 연결하시면 끊김 없이 이어지고, 지금까지 들은 기록도 그대로 남습니다.\n\n{page}",
		},
		phrase{
			"Please link Spotify again before {end}",
			"Spotify lets a consent live for six months, and yours ends on {end}. If you link again before, nothing is interrupted, and all that you have heard stays.\n\n{page}",
		},
	},
	songspy.NotificationRelink: {
		phrase{
			"Spotify를 다시 연결해 주세요",
			"Spotify가 더 이상 회원님이 듣는 곡을 알려 주지 않습니다. 다시 연결하시면 이어지고, 지금까지 들은 기록은 그대로 남습니다.\n\n{page}",
		},
		phrase{
			"Please link Spotify again",
			"Spotify no longer tells us what you hear. Once you link it again it goes on, and all that you have heard stays.\n\n{page}",
		},
	},
	songspy.NotificationNotRegistered: {
		phrase{
			"Spotify 앱에 등록해야 할 사람: {count}명",
			"Spotify 앱 {app}의 대시보드에 등록되지 않아 거절된 사람이 {count}명 있습니다(사용자 {users}). https://developer.spotify.com/dashboard 의 User Management에 등록한 뒤 `songspy-api seats entered USER`를 실행해 주세요.",
		},
		phrase{
			"To be entered in a Spotify app: {count}",
			"Spotify app {app} does not know {count} of its people and refuses them (users {users}). Enter them under User Management at https://developer.spotify.com/dashboard, then run `songspy-api seats entered USER`.",
		},
	},
	songspy.NotificationNeedsUser: {
		phrase{
			"Spotify를 다시 연결해야 할 사람: {count}명",
			"Spotify가 앱 {app}을(를) 통한 {count}명의 동의를 거두었습니다(사용자 {users}). 이 사람들은 Spotify를 다시 연결해야 합니다.",
		},
		phrase{
			"To link Spotify again: {count}",
			"Spotify has taken back the consent of {count} people of app {app} (users {users}). They have to link Spotify again.",
		},
	},
	songspy.NotificationAppBlocked: {
		phrase{
			"Spotify가 앱 {app}의 호출을 거절하고 있습니다",
			"Spotify가 {since}부터 앱 {app}의 호출을 거절하고 있습니다({door}). 그동안 이 앱의 사람들은 보이지 않습니다. 이유와 끝나는 때는 songspy-batch의 /readyz에 있습니다.",
		},
		phrase{
			"Spotify refuses the calls of app {app}",
			"Spotify has refused the calls of app {app} ({door}) since {since}. Nobody of that app is seen meanwhile. Why, and until when, is to be read at /readyz of songspy-batch.",
		},
	},
	songspy.NotificationOutageBegan: {
		phrase{
			"Spotify가 토큰 갱신을 거의 모두 거절하고 있습니다",
			"Spotify가 {since}부터 앱 {app}의 토큰 갱신을 거의 모두 거절하고 있습니다. Spotify의 장애로 보고, 아무에게도 다시 연결해 달라고 하지 않습니다.",
		},
		phrase{
			"Spotify refuses nearly every renewal",
			"Since {since} Spotify has refused nearly every renewal of a token of app {app}. That is taken for an outage of Spotify's: nobody is asked to link again.",
		},
	},
	songspy.NotificationOutageEnded: {
		phrase{
			"Spotify의 토큰 갱신이 다시 됩니다",
			"Spotify가 앱 {app}의 토큰 갱신을 다시 받아들입니다.",
		},
		phrase{
			"Spotify honours renewals again",
			"Spotify honours the renewals of tokens of app {app} again.",
		},
	},
	songspy.NotificationSeatRequested: {
		phrase{
			"Spotify 앱에 등록을 신청한 사람: {count}명",
			"Spotify 앱 {app}에 등록해 달라고 신청한 사람이 {count}명 있습니다(사용자 {users}). 등록할 이메일 주소는 `songspy-api seats`에 있습니다.",
		},
		phrase{
			"Asking to be entered in a Spotify app: {count}",
			"{count} people ask to be entered in Spotify app {app} (users {users}). `songspy-api seats` shows the addresses to enter.",
		},
	},
	songspy.NotificationSeatEntered: {
		phrase{
			"이제 Spotify를 연결하실 수 있습니다",
			"신청하신 자리가 준비되었습니다. 이제 Spotify를 연결하실 수 있습니다.\n\n{page}",
		},
		phrase{
			"You can link Spotify now",
			"The seat that you asked for is ready: you can link Spotify now.\n\n{page}",
		},
	},
}

// footer ends what a person gets, who may never have linked.
var footer = bilingual{
	phrase{text: "이 메일은 Songspy에 가입하셔서 보내 드립니다. 계정 설정에서 끌 수 있습니다."},
	phrase{text: "You get this because you signed up with Songspy. You can switch it off in your account's settings."},
}
