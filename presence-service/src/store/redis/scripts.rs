//! The Lua scripts. Each touches the keys of one user or of one gateway, which share a hash tag and so
//! a slot, or a single key.

use redis::Script;

/// All of them, with what they share in front.
#[derive(Debug)]
pub(super) struct Scripts {
    pub connect: Script,
    pub disconnect: Script,
    pub choose: Script,
    pub report: Script,
    pub settle: Script,
    pub heartbeat: Script,
    pub sign_off: Script,
    pub hear: Script,
    pub load: Script,
    pub sweep: Script,
    pub ended: Script,
    pub spend: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        let of_user = |text: &str| Script::new(&format!("{}{text}", include_str!("user.lua")));
        let of_gateway =
            |text: &str| Script::new(&format!("{}{text}", include_str!("gateway.lua")));
        Self {
            connect: of_user(include_str!("connect.lua")),
            disconnect: of_user(include_str!("disconnect.lua")),
            choose: of_user(include_str!("choose.lua")),
            report: of_gateway(include_str!("report.lua")),
            settle: of_gateway(include_str!("settle.lua")),
            heartbeat: of_gateway(include_str!("heartbeat.lua")),
            sign_off: of_gateway(include_str!("sign_off.lua")),
            hear: Script::new(include_str!("hear.lua")),
            load: Script::new(include_str!("load.lua")),
            sweep: of_gateway(include_str!("sweep.lua")),
            ended: of_gateway(include_str!("ended.lua")),
            spend: Script::new(include_str!("spend.lua")),
        }
    }

    pub(super) fn all(&self) -> [&Script; 12] {
        [
            &self.connect,
            &self.disconnect,
            &self.choose,
            &self.report,
            &self.settle,
            &self.heartbeat,
            &self.sign_off,
            &self.hear,
            &self.load,
            &self.sweep,
            &self.ended,
            &self.spend,
        ]
    }
}
