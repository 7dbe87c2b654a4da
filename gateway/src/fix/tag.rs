//! Tag numbers under their FIX names, and why a session-layer check refuses a message.

macro_rules! tags {
    ($($name:ident = $tag:literal;)*) => {
        $(
            #[doc = concat!("Tag ", stringify!($tag), ".")]
            pub const $name: u32 = $tag;
        )*
    };
}

tags! {
    ACCOUNT = 1;
    AVG_PX = 6;
    BEGIN_SEQ_NO = 7;
    BEGIN_STRING = 8;
    BODY_LENGTH = 9;
    CHECK_SUM = 10;
    CL_ORD_ID = 11;
    CUM_QTY = 14;
    END_SEQ_NO = 16;
    EXEC_ID = 17;
    EXEC_INST = 18;
    EXEC_REF_ID = 19;
    EXEC_TRANS_TYPE = 20;
    HANDL_INST = 21;
    LAST_PX = 31;
    LAST_QTY = 32;
    NO_LINES_OF_TEXT = 33;
    MSG_SEQ_NUM = 34;
    MSG_TYPE = 35;
    NEW_SEQ_NO = 36;
    ORDER_ID = 37;
    ORDER_QTY = 38;
    ORD_STATUS = 39;
    ORD_TYPE = 40;
    ORIG_CL_ORD_ID = 41;
    ORIG_TIME = 42;
    POSS_DUP_FLAG = 43;
    PRICE = 44;
    REF_SEQ_NUM = 45;
    SENDER_COMP_ID = 49;
    SENDER_SUB_ID = 50;
    SENDING_TIME = 52;
    SIDE = 54;
    SYMBOL = 55;
    TARGET_COMP_ID = 56;
    TARGET_SUB_ID = 57;
    TEXT = 58;
    TIME_IN_FORCE = 59;
    TRANSACT_TIME = 60;
    URGENCY = 61;
    TRADE_DATE = 75;
    RAW_DATA_LENGTH = 95;
    RAW_DATA = 96;
    STOP_PX = 99;
    POSS_RESEND = 97;
    ENCRYPT_METHOD = 98;
    CXL_REJ_REASON = 102;
    ORD_REJ_REASON = 103;
    HEART_BT_INT = 108;
    MIN_QTY = 110;
    MAX_FLOOR = 111;
    TEST_REQ_ID = 112;
    ON_BEHALF_OF_COMP_ID = 115;
    ON_BEHALF_OF_SUB_ID = 116;
    QUOTE_ID = 117;
    ORIG_SENDING_TIME = 122;
    GAP_FILL_FLAG = 123;
    EXPIRE_TIME = 126;
    DELIVER_TO_COMP_ID = 128;
    DELIVER_TO_SUB_ID = 129;
    BID_PX = 132;
    OFFER_PX = 133;
    BID_SIZE = 134;
    OFFER_SIZE = 135;
    RESET_SEQ_NUM_FLAG = 141;
    ON_BEHALF_OF_LOCATION_ID = 144;
    DELIVER_TO_LOCATION_ID = 145;
    NO_RELATED_SYM = 146;
    HEADLINE = 148;
    EXEC_TYPE = 150;
    LEAVES_QTY = 151;
    PEG_OFFSET_VALUE = 211;
    MD_REQ_ID = 262;
    SUBSCRIPTION_REQUEST_TYPE = 263;
    MARKET_DEPTH = 264;
    MD_UPDATE_TYPE = 265;
    AGGREGATED_BOOK = 266;
    NO_MD_ENTRY_TYPES = 267;
    NO_MD_ENTRIES = 268;
    MD_ENTRY_TYPE = 269;
    MD_ENTRY_PX = 270;
    MD_ENTRY_SIZE = 271;
    MD_ENTRY_DATE = 272;
    MD_ENTRY_TIME = 273;
    MD_ENTRY_ID = 278;
    MD_UPDATE_ACTION = 279;
    MD_REQ_REJ_REASON = 281;
    OPEN_CLOSE_SETTL_FLAG = 286;
    MD_ENTRY_POSITION_NO = 290;
    DEF_BID_SIZE = 293;
    DEF_OFFER_SIZE = 294;
    NO_QUOTE_ENTRIES = 295;
    NO_QUOTE_SETS = 296;
    QUOTE_STATUS = 297;
    QUOTE_CANCEL_TYPE = 298;
    QUOTE_ENTRY_ID = 299;
    QUOTE_REJECT_REASON = 300;
    QUOTE_RESPONSE_LEVEL = 301;
    QUOTE_SET_ID = 302;
    TOT_NO_QUOTE_ENTRIES = 304;
    SECURITY_REQ_ID = 320;
    SECURITY_REQUEST_TYPE = 321;
    SECURITY_RESPONSE_ID = 322;
    SECURITY_RESPONSE_TYPE = 323;
    SECURITY_STATUS_REQ_ID = 324;
    UNSOLICITED_INDICATOR = 325;
    SECURITY_TRADING_STATUS = 326;
    TRAD_SES_REQ_ID = 335;
    TRADING_SESSION_ID = 336;
    TRAD_SES_METHOD = 338;
    TRAD_SES_STATUS = 340;
    NUMBER_OF_ORDERS = 346;
    QUOTE_SET_VALID_UNTIL_TIME = 367;
    QUOTE_ENTRY_REJECT_REASON = 368;
    REF_TAG_ID = 371;
    REF_MSG_TYPE = 372;
    SESSION_REJECT_REASON = 373;
    EXEC_RESTATEMENT_REASON = 378;
    BUSINESS_REJECT_REF_ID = 379;
    BUSINESS_REJECT_REASON = 380;
    TOT_NO_RELATED_SYM = 393;
    EXPIRE_DATE = 432;
    CXL_REJ_RESPONSE_TO = 434;
    PARTY_ID_SOURCE = 447;
    PARTY_ID = 448;
    PARTY_ROLE = 452;
    NO_PARTY_IDS = 453;
    TRADE_REPORT_TRANS_TYPE = 487;
    SECONDARY_CL_ORD_ID = 526;
    SECONDARY_EXEC_ID = 527;
    MASS_CANCEL_REQUEST_TYPE = 530;
    MASS_CANCEL_RESPONSE = 531;
    MASS_CANCEL_REJECT_REASON = 532;
    TOTAL_AFFECTED_ORDERS = 533;
    QUOTE_TYPE = 537;
    SCOPE = 546;
    MD_IMPLICIT_DELETE = 547;
    NO_SIDES = 552;
    USERNAME = 553;
    PASSWORD = 554;
    SECURITY_LIST_REQUEST_TYPE = 559;
    SECURITY_REQUEST_RESULT = 560;
    ROUND_LOT = 561;
    MIN_TRADE_VOL = 562;
    TRAD_SES_STATUS_REJ_REASON = 567;
    TRADE_REQUEST_ID = 568;
    TRADE_REQUEST_TYPE = 569;
    PREVIOUSLY_REPORTED = 570;
    TRADE_REPORT_ID = 571;
    TRADE_REPORT_REF_ID = 572;
    TRADING_SESSION_SUB_ID = 625;
    QUOTE_STATUS_REQ_ID = 649;
    TOT_NUM_TRADE_REPORTS = 748;
    TRADE_REQUEST_RESULT = 749;
    TRADE_REQUEST_STATUS = 750;
    NEXT_EXPECTED_MSG_SEQ_NUM = 789;
    ORD_STATUS_REQ_ID = 790;
    COPY_MSG_INDICATOR = 797;
    APPL_QUEUE_MAX = 812;
    APPL_QUEUE_ACTION = 815;
    LAST_LIQUIDITY_IND = 851;
    TRD_MATCH_ID = 880;
    LAST_FRAGMENT = 893;
    USER_REQUEST_ID = 923;
    USER_REQUEST_TYPE = 924;
    NEW_PASSWORD = 925;
    USER_STATUS = 926;
    USER_STATUS_TEXT = 927;
    MIN_PRICE_INCREMENT = 969;
    PEG_PRICE_TYPE = 1094;
    TRIGGER_TYPE = 1100;
    TRIGGER_PRICE = 1102;
    TRIGGER_PRICE_DIRECTION = 1109;
    TRIGGER_ORDER_TYPE = 1111;
    APPL_VER_ID = 1128;
    DEFAULT_APPL_VER_ID = 1137;
    DISPLAY_QTY = 1138;
    QUOTE_MSG_ID = 1166;
    MASS_ACTION_REPORT_ID = 1369;
    SESSION_STATUS = 1409;
    DISPLAY_INDICATOR = 9479;
}

macro_rules! session_reject_reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal;)*) => {
        /// SessionRejectReason(373).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum SessionRejectReason { $($(#[$doc])* $name = $code,)* }

        impl SessionRejectReason {
            /// The value of SessionRejectReason(373).
            #[must_use]
            pub const fn code(self) -> u16 {
                self as u16
            }

            /// The reason with this code.
            #[must_use]
            pub const fn from_code(code: u16) -> Option<SessionRejectReason> {
                match code {
                    $($code => Some(SessionRejectReason::$name),)*
                    _ => None,
                }
            }

            /// Text(58): what FIX calls this reason.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self { $(SessionRejectReason::$name => $text,)* }
            }
        }
    };
}

session_reject_reasons! {
    /// The version does not have the tag.
    InvalidTag = 0, "Invalid tag number";
    /// A tag that the message must have is absent.
    RequiredTagMissing = 1, "Required tag missing";
    /// The version has the tag, but not in this message.
    TagNotDefinedForMessage = 2, "Tag not defined for this message type";
    /// `44=` and nothing behind it.
    TagWithoutValue = 4, "Tag specified without a value";
    /// Well formed, but not one of the values allowed.
    ValueIncorrect = 5, "Value is incorrect (out of range) for this tag";
    /// Not a number, not a time, not what the tag holds.
    IncorrectDataFormat = 6, "Incorrect data format for value";
    /// SenderCompID(49) or TargetCompID(56) is not that of the session.
    CompIdProblem = 9, "CompID problem";
    /// SendingTime(52) is too far from ours, or OrigSendingTime(122) after it.
    SendingTimeAccuracy = 10, "SendingTime accuracy problem";
    /// The version does not have the MsgType(35).
    InvalidMsgType = 11, "Invalid MsgType";
    /// The same tag twice outside a repeating group.
    TagRepeated = 13, "Tag appears more than once";
    /// A header field behind a body field.
    TagOutOfOrder = 14, "Tag specified out of required order";
    /// A member of a repeating group that no entry has begun.
    GroupOutOfOrder = 15, "Repeating group fields out of order";
    /// The count of a repeating group is not the number of its entries.
    GroupCount = 16, "Incorrect NumInGroup count for repeating group";
    /// ApplVerID(1128) is not FIX 5.0 SP2.
    ApplVersion = 18, "Invalid or unsupported application version";
    /// Anything else.
    Other = 99, "Other";
}
